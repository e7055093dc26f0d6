package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// pageSize is the most that the API gives at once, and what a bridge asks for.
const pageSize = 100

// windowSize is about how many records a request brings if a list is read window by window (measured by package poller's tests).
const windowSize = 40

// epoch is before every record.
var epoch = time.Unix(0, 0).UTC()

// A finding is what became of one resource.
type finding struct {
	spec   schemas.Spec
	row    Row
	served bool // the account gives the list
	total  int  // its records, -1 if the API did not say
	rows   int  // how many of them a request brings
	// parents is how many records of another resource it is asked for below, one request each
	parents int
}

// resources asks for the first page of each resource, in the way in which a bridge will. It stops where the answers
// are about the account and no longer about a resource.
func (c *caller) resources(ctx context.Context, specs []schemas.Spec) []finding {
	var found []finding
	for _, spec := range specs {
		f, err := c.resource(ctx, spec)
		found = append(found, f)
		var e *cliniko.Error
		if server := errors.As(err, &e) && e.Kind == cliniko.Server; hopeless(err) && !server {
			break // one list may be too heavy for the API, and the others not
		}
	}
	return found
}

func (c *caller) resource(ctx context.Context, spec schemas.Spec) (finding, error) {
	what := c.name + ": " + string(spec.Resource)
	feed := spec.Feeds[0]
	switch {
	case spec.Shape == schemas.Singleton:
		return c.single(ctx, spec, what)
	case spec.Parent != "":
		return c.below(ctx, spec, what)
	case spec.Shape == schemas.Slots:
		return c.slots(ctx, spec, what)
	}
	q, lacks := liveQuery(feed), ""
	page, err := c.list(ctx, q)
	tried := refused(err)
	if tried {
		page, lacks, err = c.without(ctx, feed, q)
	}
	f := finding{spec: spec, served: err == nil, total: page.Total, rows: pageSize}
	switch {
	case err == nil:
		f.row, f.rows = judge(what, feed.Stamp, lacks, &page)
	case tried && refused(err):
		f.row = Row{what, render.Wrong, fmt.Sprintf("400: the list refuses to be filtered by %s, and cannot be followed", feed.Stamp)}
	default:
		f.row = c.unserved(what, err)
	}
	return f, err
}

// single asks for a resource that is one object.
func (c *caller) single(ctx context.Context, spec schemas.Spec, what string) (finding, error) {
	_, _, err := c.client.Get(ctx, cliniko.Query{Path: spec.Feeds[0].Path, Lane: cliniko.LaneLive})
	var rows Report
	var e *cliniko.Error
	if instead := spec.Feeds[0].Fallback; instead != "" && errors.As(err, &e) && e.Kind == cliniko.Forbidden {
		_, _, err = c.client.Get(ctx, cliniko.Query{Path: instead, Lane: cliniko.LaneLive})
		rows.warn(what, "403: this key's user may not see it; what %s shows of it is followed instead", instead)
	} else {
		rows.ok(what, "it is read whole by each poll")
	}
	if err != nil {
		return finding{spec: spec, row: c.unserved(what, err), total: -1}, err
	}
	return finding{spec: spec, row: rows[0], served: true, total: 1, rows: 1}, nil
}

// below asks for a resource that is read for each record of its parent, at the first of them.
func (c *caller) below(ctx context.Context, spec schemas.Spec, what string) (finding, error) {
	parent, _ := schemas.Lookup(spec.Edition, spec.Parent)
	above, feed := parent.Feeds[0], spec.Feeds[0]
	none := finding{spec: spec, total: -1}
	page, err := c.list(ctx, cliniko.Query{Path: above.Path, Key: above.Key, Stamp: above.Stamp, PerPage: 1})
	if err != nil {
		none.row = c.unserved(what, err)
		return none, err
	}
	var e *cliniko.Error
	if len(page.Records) > 0 {
		q := cliniko.Query{Path: strings.Replace(feed.Path, "{id}", string(page.Records[0].ID), 1), Key: feed.Key, Stamp: feed.Stamp, PerPage: 1}
		if spec.Shape == schemas.PerParent {
			_, _, err = c.client.Get(ctx, q)
		} else {
			_, err = c.list(ctx, q)
		}
		if one := spec.Shape == schemas.PerParent && errors.As(err, &e) && e.Kind == cliniko.NotFound; err != nil && !one {
			none.row = c.unserved(what, err)
			return none, err
		}
	}
	var rows Report
	rows.ok(what, "it is read for each of the %s, %s at least", spec.Parent, count(max(page.Total, 0), "request"))
	return finding{spec: spec, row: rows[0], served: true, total: -1, parents: max(page.Total, 0)}, nil
}

// slots counts the diaries whose free slots are read, by the first page of the services that list them.
func (c *caller) slots(ctx context.Context, spec schemas.Spec, what string) (finding, error) {
	raw, _, err := c.client.Get(ctx, cliniko.Query{
		Path: "/services", Lane: cliniko.LaneLive, Parameters: []cliniko.Parameter{{Name: "per_page", Value: strconv.Itoa(pageSize)}},
	})
	if err != nil {
		return finding{spec: spec, row: c.unserved(what, err), total: -1}, err
	}
	var list struct {
		Services []struct {
			Practitioners []json.RawMessage `json:"practitioners"`
		} `json:"services"`
	}
	_ = json.Unmarshal(raw, &list) // services are tried on their own
	n := 0
	for _, s := range list.Services {
		n += len(s.Practitioners)
	}
	var rows Report
	rows.ok(what, "it is read for each business, practitioner and appointment type that go together, %s at least", count(n, "request"))
	return finding{spec: spec, row: rows[0], served: true, total: -1, parents: n}, nil
}

// unserved says why a resource is not served.
func (c *caller) unserved(what string, err error) Row {
	var rows Report
	var e *cliniko.Error
	known := errors.As(err, &e)
	switch {
	case known && e.Kind == cliniko.Forbidden:
		rows.warn(what, "403: this key's user may not see it; give the user the right, or leave it out of resources")
	case known && e.Kind == cliniko.NotFound:
		rows.warn(what, "404: this account does not have it; leave it out of resources")
	default:
		rows.bad(what, "%s", c.explain(err))
	}
	return rows[0]
}

// judge says what a first page tells of its list, of which lacks is known already, and how many records a request to it brings.
func judge(what, stamp, lacks string, page *cliniko.Page) (Row, int) {
	var rows Report
	records := count(page.Total, "record")
	if page.Total < 0 {
		records = "a number of records that the API does not say"
	}
	sorted := slices.IsSortedFunc(page.Records, func(a, b schemas.Record) int { return a.Stamp.Compare(b.Stamp) })
	if lacks == "" && !sorted {
		lacks = "it does not come sorted by " + stamp + ": above a page of records read window by window"
	}
	bad := ""
	if len(page.Bad) > 0 {
		bad = fmt.Sprintf("of the first %d, %d are no records (%s) and would be set aside", page.Rows(), len(page.Bad), page.Bad[0].Reason)
	}
	switch found := slices.DeleteFunc([]string{records, lacks, bad}, func(s string) bool { return s == "" }); {
	case len(found) > 1:
		rows.warn(what, "%s", strings.Join(found, "; "))
	default:
		rows.ok(what, "%s; filter and sort by %s are taken", records, stamp)
	}
	if !sorted {
		return rows[0], windowSize
	}
	return rows[0], pageSize
}

// explain puts into words what an operator can do about an answer that was no page.
func (c *caller) explain(err error) string {
	var e *cliniko.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch e.Kind {
	case cliniko.Unauthorized:
		return fmt.Sprintf("401: the key is unknown, revoked, or belongs to another shard than %s (%s was asked)",
			c.shard, c.client.BaseURL())
	case cliniko.RateLimited:
		return fmt.Sprintf("429: other programs use up the requests of the key's user; try again in %s", e.RetryAfter)
	case cliniko.Server:
		return fmt.Sprintf("%s: Cliniko has trouble; try again later", e)
	case cliniko.Network:
		return fmt.Sprintf("%s (%s was asked)", e, c.client.BaseURL())
	default:
		return e.Error()
	}
}
