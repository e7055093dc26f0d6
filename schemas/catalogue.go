package schemas

import "slices"

// An Edition is one of the two living forms of the API. The catalogue has the resources of each.
type Edition string

const (
	// Edition2017 is the API as its readme of April 2017 describes it: integer ids, side lists under paths of their own.
	Edition2017 Edition = "2017"
	// Edition2025 is the API as its description of August 2025 has it: string ids of up to 64 bits, and filters that
	// lift what a list hides.
	Edition2025 Edition = "2025"
)

// A Shape is how the records of a resource are read.
type Shape string

// The shapes.
const (
	Collection Shape = "collection" // lists of records that have ids
	// Singleton is one object: the record "settings" of the resource "settings". If its feed has a key, it is a list whose
	// rows have no ids, and the list is the object: the record {"services": […]} of the resource "services".
	Singleton Shape = "singleton"
	Nested    Shape = "nested"     // a list of records for each record of the parent
	PerParent Shape = "per_parent" // one object for each record of the parent, known by the parent's id
	Slots     Shape = "slots"      // what is free for each business, practitioner and appointment type
)

// A State is what a record can be in.
type State string

// The states. A record is live unless one of its fields, or the list it was read from, says otherwise.
const (
	LiveState      State = "live"
	ArchivedState  State = "archived" // an inactive practitioner, too
	CancelledState State = "cancelled"
	DeletedState   State = "deleted"
)

// A Feed is one list that shows records of a resource, with a mark of its own.
type Feed struct {
	Name string // names its mark: Live for the resource's own list; "archived", "cancelled", "deleted" for the others
	// Path is relative to the base URL: "/appointments". "{id}" in it stands for the id of the parent's record; that of
	// slots has "{business_id}", "{practitioner_id}" and "{appointment_type_id}".
	Path    string
	Key     string   // key of the array in a response: "appointments"; "" for a single object
	Filters []string // filters that every reading of the feed carries, as the API spells them: "archived_at:*"
	// Stamp is the field by which the feed is filtered and sorted, and which its cursor holds. "" for a feed that has
	// none: it is read whole each time.
	Stamp string
	// Fallback is the path of a lesser form of a single object, for those whom Path answers 403. "" if there is none.
	Fallback string
	// Implies is the state of a record that the feed shows, if the record itself does not tell. Default: live.
	Implies State
}

// A Spec is one row of the catalogue: a resource, and all that is needed to poll it.
type Spec struct {
	Resource Resource
	Edition  Edition
	Shape    Shape
	Parent   Resource // of a nested resource, and of one object per parent
	// Item is the path of one record, "{id}" for its id: "/appointments/{id}". "" if a record has no address.
	Item string
	// Lift are filters that make a list, or the address of one record, show the hidden states too: "archived_at:*".
	Lift  []string
	Feeds []Feed // the first is the resource's own list
	// States names the field that tells each state: "archived_at" is set while a record is archived.
	States map[State]string
	// Off says that the resource is polled only if the configuration names it: it repeats others, or costs much.
	Off bool
	// Schedule is the default schedule: a robfig/cron spec.
	Schedule string
	// Fields are the documented top-level fields, sorted. Others may come; see package diff for what becomes of them.
	Fields []string
}

// Catalogue is every resource of edition, those that matter soonest first; nil if there is no such edition. The slice
// is the caller's; what its rows refer to is shared and must not be changed.
//
// Source: catalogue.txt beside this file, which says where each fact is from. The default schedules of what is not Off
// ask for fewer than 90 requests a minute, of the 200 that Cliniko allows a user: if there is nothing new, in a clinic
// of 10 practitioners and 10,000 patients, the resource's own lists alone.
func Catalogue(edition Edition) []Spec { return slices.Clone(tables()[edition].specs) }

// Lookup finds the row of resource in edition. What the row refers to is shared and must not be changed.
func Lookup(edition Edition, resource Resource) (Spec, bool) {
	t := tables()[edition]
	i, ok := t.index[resource]
	if !ok {
		return Spec{}, false
	}
	return t.specs[i], true
}
