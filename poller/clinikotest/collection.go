package clinikotest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A collection is one resource's rows. Everything in it is guarded by Clinic.mu. Times are Unix seconds.
type collection struct {
	res     *resource
	mirrors []*mirror           // the lists that show these rows under another name
	sources []*collection       // those whose rows this one shows: it is a mirror itself
	rows    map[schemas.ID]*row // every row there ever was
	order   []*row              // those that were not removed, in the order of creation
	byStamp []*row              // those of them that have a visible version, by its updated_at, then by creation
	waiting []*row              // those that have a version which is not visible yet
	extra   Fields              // what AddField put on every row, and which new rows get too
	dropped map[string]bool     // what DropField took
	nextID  int64
	nextSeq int
}

// A row is one record with its versions.
type row struct {
	id       schemas.ID
	num      int64 // the id as a number, for comparing
	seq      int   // counts the rows in the order of creation
	created  int64
	versions []*version
	shown    int // index of the version that lists show; -1: none yet
	removed  bool
}

// A version is one state of a row. It does not change once it is made, but for raw, which is filled on first use.
type version struct {
	updated int64
	shownAt int64    // not visible before
	marks   stateSet // states that none of the fields tell of
	hidden  stateSet // why the plain list leaves it out, if it does
	fields  []field
	raw     []byte
}

func newCollection(res *resource, rng *rand.Rand) *collection {
	return &collection{
		res: res, rows: map[schemas.ID]*row{}, extra: Fields{}, dropped: map[string]bool{},
		nextID: 1000 + rng.Int64N(80_000), // every resource counts from a place of its own
	}
}

// newRow is a row with a fresh id and no version yet.
func (l *collection) newRow(created int64, big bool, rng *rand.Rand) *row {
	r := &row{seq: l.nextSeq, created: created, shown: -1}
	l.nextSeq++
	for {
		if big && rng.IntN(5) > 0 {
			r.num = 1<<53 + rng.Int64N(1<<62)
		} else {
			l.nextID += 1 + rng.Int64N(3) // numbers are shared with other accounts: there are gaps
			r.num = l.nextID
		}
		r.id = schemas.ID(strconv.FormatInt(r.num, 10))
		if !l.taken(r.id) {
			l.enlist(r)
			return r
		}
	}
}

// taken says whether a row has that id, here or in a list that shows the rows of several resources.
func (l *collection) taken(id schemas.ID) bool {
	return l.rows[id] != nil || slices.ContainsFunc(l.mirrors, func(m *mirror) bool { return m.to.rows[id] != nil })
}

func (l *collection) enlist(r *row) {
	l.rows[r.id] = r
	l.order = append(l.order, r)
}

// now is the version that lists show. The row must have one.
func (r *row) now() *version { return r.versions[r.shown] }

// latest is the newest version, visible or not.
func (r *row) latest() *version { return r.versions[len(r.versions)-1] }

// live is the row of id unless it was removed, visible or not; nil if there is none.
func (l *collection) live(id schemas.ID) *row {
	if r := l.rows[id]; r != nil && !r.removed {
		return r
	}
	return nil
}

// visible is the row of id if the plain list shows it now, or nil.
func (l *collection) visible(id schemas.ID) *row {
	if r := l.live(id); r != nil && r.shown >= 0 && r.now().hidden == 0 {
		return r
	}
	return nil
}

// add gives r a new version, which is visible from v.shownAt on. A version of r that was still waiting comes out
// with it: an edit cannot overtake the one it builds on. keep is Options.KeepVersions.
func (l *collection) add(r *row, v *version, now int64, keep int) {
	if r.shown+1 < len(r.versions) {
		for _, older := range r.versions[r.shown+1:] {
			older.shownAt = min(older.shownAt, v.shownAt)
		}
	}
	r.versions = append(r.versions, v)
	if v.shownAt > now {
		if !slices.Contains(l.waiting, r) {
			l.waiting = append(l.waiting, r)
		}
	} else {
		l.show(r, len(r.versions)-1)
	}
	if drop := len(r.versions) - keep; keep > 0 && drop > 0 {
		drop = min(drop, max(r.shown, 0))
		r.versions = slices.Delete(r.versions, 0, drop)
		r.shown -= drop
	}
}

// show makes the i-th version of r the one that lists show, and moves r to its place.
func (l *collection) show(r *row, i int) {
	l.unplace(r)
	r.shown = i
	at, _ := slices.BinarySearchFunc(l.byStamp, r, byStamp)
	l.byStamp = slices.Insert(l.byStamp, at, r)
}

// unplace takes r out of byStamp, if it is there.
func (l *collection) unplace(r *row) {
	if r.shown < 0 {
		return
	}
	if at, ok := slices.BinarySearchFunc(l.byStamp, r, byStamp); ok {
		l.byStamp = slices.Delete(l.byStamp, at, at+1)
	}
}

func byStamp(a, b *row) int {
	return cmp.Or(cmp.Compare(a.now().updated, b.now().updated), cmp.Compare(a.seq, b.seq))
}

// remove takes r away for good. Only its history stays.
func (l *collection) remove(r *row) {
	l.unplace(r)
	r.removed = true
	l.order = slices.DeleteFunc(l.order, func(o *row) bool { return o == r })
	l.waiting = slices.DeleteFunc(l.waiting, func(o *row) bool { return o == r })
	for _, m := range l.mirrors {
		m.to.remove(m.to.rows[m.to.idOf(r.id)])
	}
}

// settle shows the versions whose time has come.
func (l *collection) settle(now int64) {
	l.waiting = slices.DeleteFunc(l.waiting, func(r *row) bool {
		last := r.shown
		for last+1 < len(r.versions) && r.versions[last+1].shownAt <= now {
			last++
		}
		if last != r.shown {
			l.show(r, last)
		}
		return last == len(r.versions)-1
	})
}
