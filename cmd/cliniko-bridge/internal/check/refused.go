package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What a list takes is found out by the request of a live poll. If that is refused, two more say what of it is, as far as
// two can: whether the filter by its stamp, without which it cannot be followed, and whether the feed's own filters, without
// which less is seen. If these are, nothing is known of the sort.

// liveQuery is the request that a live poll of feed sends, from the beginning of time.
func liveQuery(feed schemas.Feed) cliniko.Query {
	q := cliniko.Query{Path: feed.Path, Key: feed.Key, Stamp: feed.Stamp, PerPage: pageSize, Sort: feed.Stamp}
	for _, text := range feed.Filters {
		field, op, _ := strings.Cut(text, ":")
		q.Filters = append(q.Filters, cliniko.Filter{Field: field, Op: op})
	}
	q.Filters = append(q.Filters, cliniko.At(feed.Stamp, ">=", epoch))
	return q
}

// without asks for less than q, the liveQuery of feed, which was refused. It returns a page that the list gave, and what it
// lacks in words. An error that is refused says that the list cannot be followed.
func (c *caller) without(ctx context.Context, feed schemas.Feed, q cliniko.Query) (page cliniko.Page, lacks string, err error) {
	all := q.Filters
	q.Sort, q.Filters = "", all[len(feed.Filters):]
	page, err = c.list(ctx, q)
	if err != nil {
		return page, "", err
	}
	if len(feed.Filters) > 0 {
		q.Filters = all
		switch full, err := c.list(ctx, q); {
		case refused(err):
			return page, noFilters(feed.Filters), nil
		case err != nil:
			return page, "", err
		default:
			page = full
		}
	}
	return page, "no sort by " + feed.Stamp + ": read window by window", nil
}

// noFilters is for filters such as "archived_at:*".
func noFilters(filters []string) string {
	var hidden []string
	for _, f := range filters {
		field, _, _ := strings.Cut(f, ":")
		hidden = append(hidden, strings.TrimSuffix(field, "_at"))
	}
	return fmt.Sprintf("no filter %s: %s ones are not seen in it", strings.Join(filters, ", "), strings.Join(hidden, ", "))
}

func refused(err error) bool {
	e, ok := errors.AsType[*cliniko.Error](err)
	return ok && e.Kind == cliniko.Refused
}
