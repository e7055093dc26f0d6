package schemas

import (
	"slices"
	"strings"
)

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
	Singleton  Shape = "singleton"  // one object: the record "settings" of the resource "settings"
	Nested     Shape = "nested"     // a list of records for each record of the parent
	PerParent  Shape = "per_parent" // one object for each record of the parent, known by the parent's id
	Slots      Shape = "slots"      // what is free for each business, practitioner and appointment type
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
	// Path is relative to the base URL: "/appointments". "{id}" in it stands for the id of the parent's record.
	Path    string
	Key     string   // key of the array in a response: "appointments"; "" for a single object
	Filters []string // filters that every reading of the feed carries, as the API spells them: "archived_at:*"
	// Stamp is the field by which the feed is filtered and sorted, and which its cursor holds. "" for a feed that has
	// none: it is read whole each time.
	Stamp string
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

// Catalogue is every resource of edition, those that matter soonest first. The slice is the caller's.
//
// Source: the vendor's readme of April 2017 (github.com/redguava/cliniko-api), read 2026-11. The default schedules
// together ask for 43 requests a minute, of the 200 that Cliniko allows a user.
func Catalogue(edition Edition) []Spec {
	if edition != Edition2017 {
		return nil
	}
	return []Spec{
		plain("appointments", "@every 5s",
			"id created_at updated_at appointment_start appointment_end booking_ip_address cancellation_note "+
				"cancellation_reason cancellation_time deleted_at did_not_arrive email_reminder_sent invoice_status "+
				"notes online_booking_policy_accepted patient_arrived patient_name repeat_rule repeats "+
				"sms_reminder_sent treatment_note_status appointment_type business conflicts invoices patient "+
				"practitioner links"),
		plain("patients", "@every 10s",
			"id created_at updated_at address_1 address_2 address_3 archived_at city country date_of_birth "+
				"deleted_at email emergency_contact first_name gender invoice_default_to invoice_email "+
				"invoice_extra_information label last_name notes occupation old_reference_id patient_phone_numbers "+
				"post_code referral_source reminder_type state title appointments invoices medical_alerts links "+
				"concession_type"),
		plain("invoices", "@every 20s",
			"id created_at updated_at closed_at deleted_at discounted_amount invoice_to issue_date net_amount "+
				"notes number patient_extra_information status status_description tax_amount total_amount appointment "+
				"business practitioner patient links"),
		plain("invoice_items", "@every 20s",
			"id created_at updated_at code concession_type_name deleted_at discount_percentage discounted_amount "+
				"is_monetary_discount name net_price quantity tax_amount tax_name total_including_tax unit_price "+
				"billable_item invoice links"),
		plain("medical_alerts", "@every 20s",
			"id created_at updated_at deleted_at name patient links"),
		plain("contacts", "@every 30s",
			"id created_at updated_at address_1 address_2 address_3 city company_name deleted_at email first_name "+
				"last_name notes occupation phone_numbers post_code preferred_name provider_number state title "+
				"country type links"),
		plain("daily_availabilities", "@every 30s",
			"id created_at updated_at availabilities day_of_week business practitioner links"),
		plain("products", "@every 30s",
			"id created_at updated_at cost_price item_code name notes price_ex_tax product_supplier_name "+
				"serial_number stock_level tax links"),
		plain("stock_adjustments", "@every 30s",
			"id created_at updated_at adjustment_type comment quantity product user links"),
		plain("practitioners", "@every 1m",
			"id created_at updated_at description designation first_name label last_name show_in_online_bookings "+
				"title appointments default_appointment_type invoices practitioner_reference_numbers user links"),
		plain("businesses", "@every 1m",
			"id created_at updated_at address_1 address_2 business_name business_registration_name "+
				"business_registration_value city contact_information country country_code post_code "+
				"show_in_online_bookings state website_address appointments practitioners links"),
		plain("appointment_types", "@every 1m",
			"id created_at updated_at category color duration_in_minutes max_attendees name "+
				"show_in_online_bookings billable_item product practitioners links"),
		plain("billable_items", "@every 1m",
			"id created_at updated_at item_code item_type name price tax links"),
		plain("concession_types", "@every 1m",
			"id created_at updated_at name links"),
		plain("referral_source_types", "@every 1m",
			"id created_at updated_at name referrer_type referrers subcategories links"),
		plain("taxes", "@every 1m",
			"id created_at updated_at amount name links"),
		plain("users", "@every 1m",
			"id created_at updated_at email first_name last_name role time_zone title user_active links"),
	}
}

// Lookup finds the row of resource in edition.
func Lookup(edition Edition, resource Resource) (Spec, bool) {
	list := Catalogue(edition)
	i := slices.IndexFunc(list, func(s Spec) bool { return s.Resource == resource })
	if i < 0 {
		return Spec{}, false
	}
	return list[i], true
}

// plain is a row for a resource that is one list under its own name, ordered by updated_at.
func plain(name, schedule, fields string) Spec {
	list := strings.Fields(fields)
	slices.Sort(list)
	return Spec{
		Resource: Resource(name),
		Edition:  Edition2017,
		Shape:    Collection,
		Item:     "/" + name + "/{id}",
		Feeds:    []Feed{{Name: Live, Path: "/" + name, Key: name, Stamp: "updated_at"}},
		Schedule: schedule,
		Fields:   list,
	}
}
