package clinikotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// DefaultKey is the API key of a clinic whose options name none. Its shard is au1.
const DefaultKey = "clinikotest-au1"

// defaultBase stands in the links of rows that are read before any server has been started.
const defaultBase = "https://clinic.example/v1"

// Options are what a clinic is made from. The zero value is a clinic on the machine's clock, with integer ids, the
// default key, and the API's own limit of requests.
type Options struct {
	// Edition is the form of the API that is served. Empty means Edition2017. That of 2025 implies StringIDs and BigIDs.
	Edition Edition
	// Seed decides every random choice: names, ids, the order of ties, which answers a fault hits. The same seed
	// and the same calls, made one after another, give the same clinic.
	Seed uint64
	// Now is the clinic's clock: stamps, the Date header and the rate limit are taken from it. It must not call
	// the clinic. Nil means time.Now.
	Now func() time.Time
	// Key is the API key, its shard as a suffix ("…-au1") or none, which means au1. Empty means DefaultKey.
	Key string
	// BaseURL is what the links inside records begin with, "/v1" included. Empty means the address of the first
	// server, or of the first request to a Handler. Once set it stays, so that a restart changes no record.
	BaseURL string
	// StringIDs writes ids as JSON strings, as the API does since 2020, instead of JSON numbers.
	StringIDs bool
	// BigIDs gives most records an id past 2^53 in no order of creation, as the API does since 2022. About one in
	// five stays short: both kinds mix in one account.
	BigIDs bool
	// RequestsPerMinute is how many requests are answered within one minute of the clinic's clock; those above it
	// get 429. 0 means 200, a negative number means no limit.
	RequestsPerMinute int
	// StableTies lists rows of equal sort values in the order of their creation. Otherwise their order differs
	// from request to request: the API does not state one.
	StableTies bool
	// Respell writes each row anew on each read, with other white space, key order and spelling of numbers.
	// Clinic.Record still gives the plain spelling.
	Respell bool
	// KeepVersions is how many of its latest versions a record keeps for History. 0 means all of them; a clinic
	// that runs for days wants 1.
	KeepVersions int
	// QuietStates leaves updated_at where it stands when a record is archived, cancelled, deleted, deactivated, merged
	// away or given another patient, and when that is undone. Whether the API moves it is not known; otherwise it moves.
	QuietStates bool
	// DocumentedFeeds lets the lists of deleted records take the filters of the plain lists, as the readme of 2017 says.
	// Otherwise they take deleted_at and id alone, as practice has shown since 2018.
	DocumentedFeeds bool
	// Stubs is how much of a deleted record is shown where deleted ones are.
	Stubs Stubs
	// ErasedStubs leaves a stub of an erased patient, and of the patient's medical alerts, where the deleted are shown,
	// as in 2020. Otherwise nothing is left.
	ErasedStubs bool
	// OldPaths lets the side lists of 2017 (/patients/archived) answer in 2025 too. Whether they do is not known.
	OldPaths bool
	// Lacks are resources that the account does not have: they answer 404.
	Lacks []schemas.Resource
	// Role is that of the user who owns the key. Nil means an administrator's. A handler can change its own.
	Role *Role
}

// A Clinic is the data of one Cliniko account. It is safe for concurrent use. All its times are those of its own
// clock, UTC and to the second. A method that is given a resource it does not have panics: that is a mistake in the
// test. A record that is not there is no such mistake, since another goroutine may have removed it.
type Clinic struct {
	opts Options

	mu    sync.Mutex                       // guards the rest
	rng   *rand.Rand                       // the data
	ties  *rand.Rand                       // the order of ties and the spelling, so that reading changes no data
	base  string                           // what links begin with; "" until somebody needs it
	lists map[schemas.Resource]*collection // never changes after New
	works map[assignment]bool              // which practitioner does what and where, if somebody has said so
}

// New makes an empty clinic that has every resource of its edition. The settings alone are there from the beginning.
func New(opts Options) *Clinic {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Key == "" {
		opts.Key = DefaultKey
	}
	if opts.RequestsPerMinute == 0 {
		opts.RequestsPerMinute = 200
	}
	if opts.Edition == "" {
		opts.Edition = Edition2017
	}
	if opts.Edition == Edition2025 {
		opts.StringIDs, opts.BigIDs = true, true
	}
	if resourcesOf[opts.Edition] == nil {
		panic(fmt.Sprintf("clinikotest: there is no edition %q", opts.Edition))
	}
	c := &Clinic{
		opts:  opts,
		rng:   rand.New(rand.NewPCG(opts.Seed, 1)),
		ties:  rand.New(rand.NewPCG(opts.Seed, 2)),
		base:  opts.BaseURL,
		lists: map[schemas.Resource]*collection{},
		works: map[assignment]bool{},
	}
	resources := resourcesOf[opts.Edition]()
	for _, name := range slices.Sorted(maps.Keys(resources)) {
		if resources[name].shape != "derived" {
			c.lists[name] = newCollection(resources[name], c.rng)
		}
	}
	for _, name := range c.Resources() {
		for _, source := range resources[name].of {
			attach(c.lists[source], c.lists[name])
		}
	}
	now := c.Now().Unix()
	c.create(c.lists["settings"], now, now, now, nil)
	return c
}

// Now is the clinic's time as its stamps have it: UTC, whole seconds.
func (c *Clinic) Now() time.Time { return c.opts.Now().UTC().Truncate(time.Second) }

// Key is the API key that the clinic's servers accept.
func (c *Clinic) Key() string { return c.opts.Key }

// Has says whether the clinic has such a resource.
func (c *Clinic) Has(resource schemas.Resource) bool {
	_, ok := c.lists[resource]
	return ok
}

// Resources are the names that the clinic's methods take, sorted: all that are served but what is computed from other
// records (services and available_times).
func (c *Clinic) Resources() []schemas.Resource { return slices.Sorted(maps.Keys(c.lists)) }

// Edition is the form of the API that is served.
func (c *Clinic) Edition() Edition { return c.opts.Edition }

// Record is the record's JSON, exactly as a list embeds it now. ok is false if the list does not show it: it was
// removed, is hidden, is not visible yet, or never was.
func (c *Clinic) Record(resource schemas.Resource, id schemas.ID) (raw []byte, ok bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	r := l.visible(id)
	if r == nil {
		return nil, false
	}
	return bytes.Clone(c.encoded(r.now())), true
}

// Field is the value of one top-level field of a record, as JSON. ok is false if the list does not show the record,
// or if it has no such field.
func (c *Clinic) Field(resource schemas.Resource, id schemas.ID, name string) (value json.RawMessage, ok bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	r := l.visible(id)
	if r == nil {
		return nil, false
	}
	f := r.now().field(name)
	if f == nil {
		return nil, false
	}
	return f.appendValue(nil, c.root()), true
}

// Related is the id of the record that a relation points to: the "patient" of an appointment. ok is false if the list
// does not show the record, or if it has no such relation.
func (c *Clinic) Related(resource schemas.Resource, id schemas.ID, name string) (other schemas.ID, ok bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	r := l.visible(id)
	if r == nil {
		return "", false
	}
	other = schemas.ID(r.now().field(name).relative())
	return other, other != ""
}

// IDs are the ids of the records that the list shows now, in the order of their creation.
func (c *Clinic) IDs(resource schemas.Resource) []schemas.ID {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	var ids []schemas.ID
	for _, r := range l.order {
		if l.visible(r.id) == r {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// UpdatedAt is the updated_at of a record that the list shows, and the zero time of any other.
func (c *Clinic) UpdatedAt(resource schemas.Resource, id schemas.ID) time.Time {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	if r := l.visible(id); r != nil {
		return time.Unix(r.now().updated, 0).UTC()
	}
	return time.Time{}
}

// A Version is one state of a record.
type Version struct {
	UpdatedAt time.Time // its updated_at
	ShownAt   time.Time // from when on a list could show it: later than UpdatedAt if it was made late
	State     State     // what it is in; StateLive if nothing hides it
	Raw       []byte    // the record, byte for byte
}

// History is every state that the record has had, oldest first, also after its removal. States in which it is hidden,
// or which are not visible yet, are among them. See Options.KeepVersions for how far it goes back.
func (c *Clinic) History(resource schemas.Resource, id schemas.ID) []Version {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	r := l.rows[id]
	if r == nil {
		return nil
	}
	all := make([]Version, len(r.versions))
	for i, v := range r.versions {
		all[i] = Version{
			UpdatedAt: time.Unix(v.updated, 0).UTC(),
			ShownAt:   time.Unix(v.shownAt, 0).UTC(),
			State:     v.hidden.state(),
			Raw:       bytes.Clone(c.encoded(v)),
		}
	}
	return all
}

// open locks the clinic, shows what has become visible meanwhile, and returns the list of resource with the time as
// a Unix second. The caller unlocks.
func (c *Clinic) open(resource schemas.Resource) (*collection, int64) {
	l, ok := c.lists[resource]
	if !ok {
		panic(fmt.Sprintf("clinikotest: there is no resource %q", resource))
	}
	c.mu.Lock()
	now := c.Now().Unix()
	l.settle(now)
	return l, now
}

// bind makes base the beginning of all links inside records, unless they have one already.
func (c *Clinic) bind(base string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.base == "" {
		c.base = base
	}
}

// root is what links begin with. The first one who asks settles it. c.mu is held.
func (c *Clinic) root() string {
	if c.base == "" {
		c.base = defaultBase
	}
	return c.base
}

// encoded is the JSON of v, made once. c.mu is held.
func (c *Clinic) encoded(v *version) []byte {
	if v.raw == nil {
		v.raw = encode(v.fields, c.root())
	}
	return v.raw
}
