package schemas

import (
	"strings"
	"time"
)

// A Resource names a kind of record, as the API spells its list: "appointments".
type Resource string

// An ID is the exact text of a record's id. It is never a number here: since 2022 ids pass 2^53, where a float
// loses digits, and it has no order, since short and long ids mix in one account.
type ID string

// A Record is one row of a list.
type Record struct {
	ID        ID
	CreatedAt time.Time // zero if the resource has none
	UpdatedAt time.Time // zero if the row has none: a stub of a deleted record
	Stamp     time.Time // the stamp that its feed is ordered by: UpdatedAt in the resource's own list; zero if it has none
	Raw       []byte    // a JSON object, byte for byte as the API gave it; never changed after the record is made
	Window    *Window   // of a record of free slots; nil for every other
}

// A BadRow is a row of a list that is no record: it has no id or no stamp that can be read, or is no object.
type BadRow struct {
	ID     ID        // "" if it has none that can be read
	Stamp  time.Time // as Record.Stamp; zero if it has none that can be read
	Reason string    // "no id": a constant text, never a value of the row
}

// A Window is the stretch of time whose free slots a record holds. A slot that passes out of it, or comes into it at its far
// end, is no change of the record.
type Window struct {
	// From is the API's clock when the slots were read, and Until the end of the last day that was asked for: no slot
	// begins at it or later.
	From, Until time.Time
	// Lead is how long before its start a slot can be booked at the latest. Negative if that is not known.
	Lead time.Duration
}

// A Mark is how far one feed of a resource has been read. It is committed together with what was read.
type Mark struct {
	// Cursor is the greatest stamp that was committed: the API's clock, to the second. Everything up to it was
	// read at least once; rows that show late with an older stamp are what Lookback is for.
	Cursor time.Time `json:"cursor"`
	// Lookback is how far before Cursor the next reading begins, MinLookback at least. It grows with the lateness that
	// was seen.
	Lookback time.Duration `json:"lookback,omitempty"`
	// Horizon is the newest stamp of the feed at the first look, or later if the store was lost and rebuilt from the
	// stream: a record that is unknown and stamped at or after it has changed since. The feed's baseline reads up to
	// it. It is set by the first page of a feed and kept by all that follow.
	Horizon time.Time `json:"horizon,omitzero"`
	// Done says that the feed has an end and that it was reached: the baseline is complete.
	Done bool `json:"done,omitempty"`
	// After is, of a feed that is read parent by parent, the last parent of the reading under way. "" between two. Of a
	// baseline that is within a second which it reads by ids, because more rows than a page share that stamp, it is the
	// last id of Cursor's second that was read, "0" if none was yet. "" else.
	After ID `json:"after,omitempty"`
}

// MinLookback is how far before its cursor a feed is read again, whatever lateness was seen.
const MinLookback = 2 * time.Minute

// Names of the marks that every resource has.
const (
	// Live is the mark of the resource's own list, followed for ever.
	Live = "live"
	// Baseline is the mark of the first look at what exists in the resource's own list. It has an end.
	Baseline = "baseline"
)

// BaselineOf names the mark of the baseline of a feed.
func BaselineOf(feed string) string {
	if feed == Live {
		return Baseline
	}
	return Baseline + "/" + feed
}

// IsBaseline tells whether a mark is that of the baseline of a feed.
func IsBaseline(mark string) bool { return mark == Baseline || strings.HasPrefix(mark, Baseline+"/") }

// A Standing is how far a resource has been read, all its feeds together.
type Standing struct {
	// Opened says that the bridge has taken its first look. The other fields mean nothing before.
	Opened bool
	// Began is the newest stamp in the list at the first look: what was created after it is new to the world.
	// Zero if the list was empty then.
	Began time.Time
	// Marks holds the mark of each feed that has one, by the feed's name.
	Marks map[string]Mark
	// Tracked is how many records are known. It is for people to read and may be a little off after a crash.
	Tracked int
}

// A Page is a handful of records, read from one feed and handed on together.
type Page struct {
	Resource Resource
	Records  []Record // in the order in which the feed gave them; an ID may stand in it more than once
	// Bad are rows of the same answer that are no records. They are set aside.
	Bad []BadRow
	// Opening says that this is the first look at the resource: its records exist already and are no news. Began must
	// be set with it.
	Opening bool
	Began   time.Time // with Opening: see Standing.Began
	// First says the same of a further feed of a resource that is open.
	First bool
	// Feed is the feed that the records were read from, and Baseline says that it was its baseline that was read: of
	// the two marks the one that Mark replaces once every record of the page is safe.
	Feed     string
	Baseline bool
	Mark     Mark
	// Implies is the state of those records of the page that do not tell one themselves. "" is live.
	Implies State
	// Swept says that it is the sweep that met the records: what is news in them was missed.
	Swept bool
	// Gone are records that were searched for, where hidden ones would show, and are not there any more. They are told
	// as deleted. None of them is in Records.
	Gone []ID
	// Total is the resource's number of records as the API counts them, 0 if it did not say. A hint, for layout.
	Total int
	// ReadAt is when the page arrived: our clock, for Event.ObservedAt and the detection delay alone.
	ReadAt time.Time
	// Date is when the API answered, by the clock of its Date header; zero if it did not say.
	Date time.Time
}

// MarkName is the name of the mark that the page moves.
func (p *Page) MarkName() string {
	if p.Baseline {
		return BaselineOf(p.Feed)
	}
	return p.Feed
}

// An Outcome is what became of a page.
type Outcome struct {
	// Events is how many events were published for the page, by verb; those of an earlier attempt are not counted.
	// nil if there were none.
	Events map[Verb]int
	// Late is how far behind the feed's committed cursor the oldest news of the page was: the lateness with which
	// rows show. 0 if nothing was late.
	Late time.Duration
	// SetAside is how many records and rows of the page could not be handled.
	SetAside int
	// Missed is how many records of a page that was Swept are news which following the feed should have found: they are
	// new or have moved, and are stamped before the stretch that is read again and again.
	Missed int
	// Tracked is how many records of the resource are known now.
	Tracked int
}
