package schemas

import (
	"slices"
	"strings"
)

// An Edition is one of the two living forms of the API. The catalogue has the resources of each.
type Edition string

// Edition2017 is the API as its readme of April 2017 describes it: integer ids, side lists under paths of their own.
const Edition2017 Edition = "2017"

// A Feed is one list that shows records of a resource, with a mark of its own.
type Feed struct {
	Name    string   // names its mark: Live for the resource's own list
	Path    string   // relative to the base URL: "/appointments"
	Key     string   // key of the array in a response: "appointments"
	Filters []string // filters that every reading of the feed carries, as the API spells them: "archived_at:*"
	Stamp   string   // the field by which the feed is filtered and sorted, and which its cursor holds
}

// A Spec is one row of the catalogue: a resource, and all that is needed to poll it.
type Spec struct {
	Resource Resource
	Edition  Edition
	Item     string // the path of one record, "{id}" for its id: "/appointments/{id}"
	Feeds    []Feed // the first is the resource's own list
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
		Item:     "/" + name + "/{id}",
		Feeds:    []Feed{{Name: Live, Path: "/" + name, Key: name, Stamp: "updated_at"}},
		Schedule: schedule,
		Fields:   list,
	}
}
