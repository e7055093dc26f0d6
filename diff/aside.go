package diff

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A record that cannot be handled is set aside, and so is a row of a list that is no record: the others go on, nothing of
// it is told, and an operator is shown which it is and why. It is tried again whenever it is met, as it is when it
// changes. It leaves the list once its own list shows it and it can be handled, or any list has news of it, or it is gone.
//
// Of a row without an id none of that can be known; nor that a record has gone which the store never knew. But what
// the store does not know, every sweep meets: so these leave when they were not met for a week.

// A SetAside is a record, or a row of a list, that cannot be handled. It holds no value of the record but its id and the
// stamp that its list is ordered by.
type SetAside struct {
	// ID is "" if the row has none that can be read: then List and Stamp say where it stands.
	ID schemas.ID `json:"id,omitempty"`
	// List is the feed that showed it: "live" is the resource's own list.
	List string `json:"list"`
	// Stamp is that of a row without an id, "2027-03-27T10:03:57Z"; "" if it has none that can be read, and of all others.
	Stamp  string    `json:"stamp,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"` // our clock, UTC, to the second
}

// Asides are what is set aside of one resource.
type Asides struct {
	Count  int        `json:"count"`  // maxAside may be more
	Newest []SetAside `json:"newest"` // the newest first, shownAside at most
}

const (
	// maxAside is how many are kept of a resource. Where more cannot be handled, something else is wrong than a record.
	maxAside = 1000
	// shownAside is how many of them are shown, and outlive the process.
	shownAside = 100
	// unmetAside is how long one that the store does not know stays without being met.
	unmetAside = 7 * 24 * time.Hour
)

// aside is what decide makes of a record that cannot be handled.
type aside struct {
	SetAside
	unknown bool // the store does not know it
}

// A place is what a SetAside is known again by.
type place struct {
	id          schemas.ID
	list, stamp string
}

func (s SetAside) String() string {
	what := "a row"
	switch {
	case s.ID != "":
		what = string(s.ID)
	case s.Stamp != "":
		what += " of " + s.Stamp
	}
	return fmt.Sprintf("%s (%s list): %s", what, s.List, s.Reason)
}

func (s *SetAside) place() place { return place{s.ID, s.List, s.Stamp} }

// badRow is what is set aside of a row of feed that is no record.
func badRow(feed string, row schemas.BadRow, known *entry) aside {
	a := aside{SetAside{ID: row.ID, List: feed, Reason: row.Reason}, known == nil}
	if row.ID == "" && !row.Stamp.IsZero() {
		a.Stamp = schemas.FormatStamp(row.Stamp)
	}
	return a
}

// asides are those of all resources of an account.
type asides struct {
	mu      sync.Mutex // guards the following
	loaded  bool
	changed bool // since the note was written
	lists   map[schemas.Resource]map[place]*kept

	saving sync.Mutex // held while the note is written, so that the last to be written is the latest
}

// kept is one that is set aside.
type kept struct {
	aside
	met time.Time // our clock; when last, or when the process took it over
}

// put keeps a, and tells whether it is news.
func (l *asides) put(name schemas.Resource, a aside, now time.Time) (news bool) {
	if l.lists == nil {
		l.lists = make(map[schemas.Resource]map[place]*kept)
	}
	list := l.lists[name]
	if list == nil {
		list = make(map[place]*kept)
		l.lists[name] = list
	}
	at := a.place()
	if was := list[at]; was != nil {
		was.met, was.unknown = now, a.unknown
		if was.Reason == a.Reason {
			return false
		}
	} else if len(list) >= maxAside {
		return false
	}
	a.Since = now.UTC().Truncate(time.Second)
	list[at] = &kept{a, now}
	l.changed = true
	return true
}

// of is what is set aside of a resource.
func (l *asides) of(name schemas.Resource) Asides {
	list := l.lists[name]
	all := make([]SetAside, 0, len(list))
	for _, k := range list {
		all = append(all, k.SetAside)
	}
	slices.SortFunc(all, func(a, b SetAside) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.ID, b.ID), cmp.Compare(a.List, b.List), cmp.Compare(a.Stamp, b.Stamp))
	})
	return Asides{Count: len(all), Newest: slices.Clone(all[:min(len(all), shownAside)])}
}

// SetAside tells which records of a resource are set aside.
func (d *Differ) SetAside(name schemas.Resource) Asides {
	d.asides.mu.Lock()
	defer d.asides.mu.Unlock()
	return d.asides.of(name)
}

// shelve takes note of what a page showed that is safe now: what of it is set aside, and what is not any more.
func (d *Differ) shelve(ctx context.Context, r *resource, page *schemas.Page, records []schemas.Record, p *plan) {
	now := time.Now()
	l := &d.asides
	l.mu.Lock()
	stay := make(map[place]bool, len(p.setAside))
	for _, a := range p.setAside {
		stay[a.place()] = true
		if l.put(r.name, a, now) {
			d.Metrics.setAside.WithLabelValues(string(r.name)).Inc()
			d.Log.Error("a record cannot be handled and is set aside until it changes", d.asideFields(r.name, &a.SetAside)...)
		}
	}
	if len(l.lists[r.name]) > len(stay) {
		shown := make(map[schemas.ID]bool, len(records))
		for i := range records {
			shown[records[i].ID] = true
		}
		for at, k := range l.lists[r.name] {
			_, news := p.entries[k.ID]
			over := k.ID != "" && (news || shown[k.ID] && k.List == page.Feed || slices.Contains(page.Gone, k.ID)) ||
				k.unknown && now.Sub(k.met) > unmetAside
			if over && !stay[at] {
				delete(l.lists[r.name], at)
				l.changed = true
				d.Log.Info("a record is not set aside any more", d.asideFields(r.name, &k.SetAside)...)
			}
		}
	}
	changed, count := l.changed, len(l.lists[r.name])
	l.mu.Unlock()
	if changed {
		d.showAsides(r.name, count)
		d.saveAsides(ctx)
	}
}

func (d *Differ) asideFields(name schemas.Resource, s *SetAside) []zap.Field {
	return []zap.Field{
		zap.String("account", d.Account), zap.String("resource", string(name)), zap.String("feed", s.List),
		zap.String("id", string(s.ID)), zap.String("reason", s.Reason),
	}
}

// AsideNote names the note of what is set aside: a JSON object, by resource,
// {"patients":{"count":1,"newest":[{"id":"343589","list":"live","reason":"…","since":"2027-03-27T10:04:02Z"}]}}.
const AsideNote = "set_aside"

// saveAsides writes the note. If the store does not take it, the next page tries again.
func (d *Differ) saveAsides(ctx context.Context) {
	l := &d.asides
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	all := make(map[schemas.Resource]Asides)
	for name, list := range l.lists {
		if len(list) > 0 {
			all[name] = l.of(name)
		}
	}
	l.changed = false
	l.mu.Unlock()
	text, _ := json.Marshal(all) // nothing in it cannot be encoded
	if d.Store.PutNote(ctx, d.Account, AsideNote, text, 0) != nil {
		l.mu.Lock()
		l.changed = true
		l.mu.Unlock()
	}
}

// ReadAsides is what is set aside of an account's resources, as the last process left it: of those that have something.
// An error may be the store's, or that the note is damaged: then the list begins anew.
func ReadAsides(ctx context.Context, store Store, account string) (map[schemas.Resource]Asides, error) {
	text, err := store.Note(ctx, account, AsideNote)
	if err != nil {
		return nil, fmt.Errorf("note of what is set aside: %w", err)
	}
	all := make(map[schemas.Resource]Asides)
	if text != nil && json.Unmarshal(text, &all) != nil {
		return nil, errors.New("note of what is set aside: it is damaged")
	}
	maps.DeleteFunc(all, func(_ schemas.Resource, a Asides) bool { return a.Count <= 0 || len(a.Newest) == 0 })
	return all, nil
}

// loadAsides takes over what earlier processes have set aside, once. What cannot be read is met again, or is lost.
func (d *Differ) loadAsides(ctx context.Context) {
	l := &d.asides
	l.mu.Lock()
	loaded := l.loaded
	l.loaded = true
	l.mu.Unlock()
	if loaded {
		return
	}
	all, err := ReadAsides(ctx, d.Store, d.Account)
	if err != nil {
		d.Log.Warn("which records are set aside is not known any more; they are listed when they are met again",
			zap.String("account", d.Account), zap.Error(err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for name, a := range all {
		for _, s := range a.Newest[:min(len(a.Newest), shownAside)] {
			l.put(name, aside{s, s.ID == ""}, now)
			if k := l.lists[name][s.place()]; k.Reason == s.Reason {
				k.Since = s.Since
			}
		}
		d.showAsides(name, len(l.lists[name]))
	}
	l.changed = false
}

// showAsides sets the gauge of a resource, which is there only if something is set aside: nearly all accounts have nothing.
func (d *Differ) showAsides(name schemas.Resource, count int) {
	if count == 0 {
		d.Metrics.aside.DeleteLabelValues(d.Account, string(name))
		return
	}
	d.Metrics.aside.WithLabelValues(d.Account, string(name)).Set(float64(count))
}

// Close takes what the Differ shows of its account out of the metrics: another process may show it from now on.
func (d *Differ) Close() { d.Metrics.aside.DeletePartialMatch(map[string]string{"account": d.Account}) }
