package poller

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A 404 proves little: a record that is archived or cancelled answers it too, unless it is asked for with the filters
// that lift its state (2025), or is looked up in the list that shows its state (2017). A record is gone if it is nowhere.

// looks is how many requests evidence sends, as a rule.
func (s *sweep) looks() int { return 1 + len(s.sides()) }

// sides are the feeds that have lists of their own.
func (s *sweep) sides() []schemas.Feed {
	var sides []schemas.Feed
	for _, f := range s.spec.Feeds[1:] {
		if f.Path != s.spec.Feeds[0].Path {
			sides = append(sides, f)
		}
	}
	return sides
}

// evidence tells whether the record is anywhere. Its own address is asked first, and the side lists after that: one
// that is archived between the two is found by the second. Any answer that is not plain is an error. paid says that
// its requests are.
func (s *sweep) evidence(stop, work context.Context, id schemas.ID, paid bool) (there bool, err error) {
	there, err = s.atItsAddress(stop, work, id, paid)
	if there || err != nil {
		return there, err
	}
	for _, side := range s.sides() {
		there, err := s.listed(work, side, nil, id, paid)
		if e, ok := errors.AsType[*cliniko.Error](err); ok && e.Kind == cliniko.NotFound {
			continue // there is no such list any more
		}
		if there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// atItsAddress asks for the record at its own address, and in its list if it has no address, or one that does not lift.
func (s *sweep) atItsAddress(stop, work context.Context, id schemas.ID, paid bool) (bool, error) {
	if err := stop.Err(); err != nil {
		return false, err
	}
	live, lift := s.spec.Feeds[0], parseFilters(s.spec.Lift)
	if s.spec.Item == "" {
		return s.listed(work, live, lift, id, paid)
	}
	q := cliniko.Query{Path: strings.ReplaceAll(s.spec.Item, "{id}", string(id)), Filters: lift, Lane: cliniko.LaneSweep, Paid: paid}
	there, err := s.get(work, q)
	if e, ok := errors.AsType[*cliniko.Error](err); ok && e.Kind == cliniko.Refused && len(lift) > 0 {
		if there, err = s.listed(work, live, lift, id, false); there || err != nil {
			return there, err
		}
		q.Filters, q.Paid = nil, false
		return s.get(work, q)
	}
	return there, err
}

func (s *sweep) get(ctx context.Context, q cliniko.Query) (there bool, err error) {
	_, _, err = s.source.Get(ctx, q)
	s.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	if e, ok := errors.AsType[*cliniko.Error](err); ok && e.Kind == cliniko.NotFound {
		return false, nil
	}
	return err == nil, err
}

// listed looks a record up in a list.
func (s *sweep) listed(ctx context.Context, feed schemas.Feed, lift []cliniko.Filter, id schemas.ID, paid bool) (bool, error) {
	q := cliniko.Query{
		Path: feed.Path, Key: feed.Key, PerPage: 1, Lane: cliniko.LaneSweep, Paid: paid,
		Filters: append(slices.Clip(lift), cliniko.Filter{Field: "id", Op: "=", Value: string(id)}),
	}
	page, err := s.source.List(ctx, q)
	s.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	return page.Rows() > 0, err
}
