package clinikotest

import "time"

// What a clinic sets up once and seldom changes.

var (
	services    = []string{"First visit", "Follow-up", "Long consultation", "Gait review", "Class, per head", "Hand splint"}
	alerts      = []string{"Latex allergy", "Pacemaker", "Blood thinners", "Faints easily", "Hearing aid, left"}
	companies   = []string{"Merrin Mutual", "Oakline Insurance", "Saltbush Sports Club", "Kingsmere Council"}
	suppliers   = []string{"Tidewell Supplies", "Copper & Co", "Magpie Medical"}
	goods       = []string{"Resistance band", "Foam roller", "Wobble board", "Massage ball", "Heat pack", "Lumbar cushion"}
	colors      = []string{"#4FA3D1", "#8BC34A", "#FFB300", "#7E57C2", "#EF5350"}
	callings    = []string{"Physiotherapist", "Podiatrist", "Exercise physiologist", "Osteopath"}
	concessions = []string{"Student", "Pensioner", "Veteran", "Club member", "Staff family"}
	roles       = []string{"administrator", "practitioner", "receptionist", "bookkeeper"}
	reasons     = []string{"Stock Purchase", "Returned", "Damaged", "Out of Date", "Item Sold", "Other"}
	sources     = []string{"Internet", "Word of mouth", "Sign", "Newspaper", "Open day", "School newsletter"}
)

func (m *maker) dailyAvailability() []field {
	return pairs(
		"availabilities", m.hours(),
		"day_of_week", m.row.seq%7,
		"business", m.ref("businesses"),
		"practitioner", m.ref("practitioners"),
	)
}

// hours are the opening hours of a day: none, one stretch, or two with a break.
func (m *maker) hours() []map[string]string {
	span := func(from, to string) map[string]string { return map[string]string{"starts_at": from, "ends_at": to} }
	begin := pick(m.rng, []string{"07:30", "08:00", "09:00", "09:30"})
	end := pick(m.rng, []string{"16:00", "17:00", "17:30", "19:00"})
	switch m.between(0, 5) {
	case 0:
		return []map[string]string{}
	case 1, 2:
		return []map[string]string{span(begin, "12:30"), span("13:30", end)}
	default:
		return []map[string]string{span(begin, end)}
	}
}

func (m *maker) product() []field {
	return pairs(
		"cost_price", m.amount(2, 30),
		"item_code", "P-"+digits(m.rng, 10, 99),
		"name", pick(m.rng, goods),
		"notes", "",
		"price_ex_tax", m.amount(31, 90),
		"product_supplier_name", pick(m.rng, suppliers),
		"serial_number", "",
		"stock_level", m.between(0, 60),
		"tax", m.ref("taxes"),
	)
}

func (m *maker) stockAdjustment() []field {
	var comment any
	if m.chance(3) {
		comment = "Counted twice"
	}
	return pairs(
		"adjustment_type", pick(m.rng, reasons),
		"comment", comment,
		"quantity", m.between(-5, 20),
		"product", m.ref("products"),
		"user", m.ref("users"),
	)
}

func (m *maker) practitioner() []field {
	p := invent(m.rng)
	user, who := m.other("users")
	if who != nil {
		p.first, p.last = who.text("first_name"), who.text("last_name")
	}
	return pairs(
		"description", nil,
		"designation", pick(m.rng, callings),
		"first_name", p.first,
		"label", p.name(),
		"last_name", p.last,
		"show_in_online_bookings", m.chance(2),
		"title", p.title,
		"appointments", m.own("/appointments?page=1"),
		"default_appointment_type", m.ref("appointment_types"),
		"invoices", m.own("/invoices?page=1"),
		"practitioner_reference_numbers", m.own("/practitioner_reference_numbers?page=1"),
		"user", user,
	)
}

func (m *maker) business() []field {
	p := invent(m.rng)
	return pairs(
		"address_1", p.street,
		"address_2", nil,
		"business_name", p.city+" Movement Clinic",
		"business_registration_name", "ABN",
		"business_registration_value", "00000000000",
		"city", p.city,
		"contact_information", "Reception: "+p.phone,
		"country", "Australia",
		"country_code", "AU",
		"post_code", p.postCode,
		"show_in_online_bookings", true,
		"state", p.state,
		"website_address", "https://movement.example.com",
		"appointments", m.own("/appointments?page=1"),
		"practitioners", m.own("/practitioners"),
	)
}

func (m *maker) appointmentType() []field {
	return pairs(
		"category", pick(m.rng, []string{"Physiotherapy", "Podiatry", "Classes"}),
		"color", pick(m.rng, colors),
		"duration_in_minutes", 15*m.between(1, 6),
		"max_attendees", 1,
		"name", pick(m.rng, services),
		"show_in_online_bookings", m.chance(2),
		"billable_item", m.ref("billable_items"),
		"product", m.ref("products"),
		"practitioners", m.own("/practitioners"),
	)
}

func (m *maker) billableItem() []field {
	return pairs(
		"item_code", digits(m.rng, 500, 599),
		"item_type", "Service",
		"name", pick(m.rng, services),
		"price", m.amount(40, 180),
		"tax", m.ref("taxes"),
	)
}

func (m *maker) concessionType() []field { return pairs("name", pick(m.rng, concessions)) }

func (m *maker) referralSourceType() []field {
	switch m.row.seq { // every account begins with these
	case 0:
		return pairs("name", "Patient", "referrer_type", "Patient", "referrers", Ref("/patients"), "subcategories", nil)
	case 1:
		return pairs("name", "Contact", "referrer_type", "Contact", "referrers", Ref("/contacts"), "subcategories", nil)
	}
	var kinds any
	if m.chance(2) {
		kinds = []string{"Search engine", "Map listing", "Forum"}
	}
	return pairs("name", pick(m.rng, sources), "referrer_type", nil, "referrers", nil, "subcategories", kinds)
}

func (m *maker) tax() []field {
	return pairs(
		"amount", pick(m.rng, []string{"10.0", "0.0", "12.5"}),
		"name", pick(m.rng, []string{"GST", "GST free", "Levy"}),
	)
}

func (m *maker) user() []field {
	p := invent(m.rng)
	return pairs(
		"email", p.email,
		"first_name", p.first,
		"last_name", p.last,
		"role", pick(m.rng, roles),
		"time_zone", "Melbourne",
		"title", p.title,
		"user_active", true,
	)
}

// workday is a time in clinic hours some days after t.
func (m *maker) workday(t time.Time) time.Time {
	day := t.Truncate(24*time.Hour).AddDate(0, 0, m.between(1, 20))
	return day.Add(time.Duration(m.between(32, 68)) * 15 * time.Minute)
}
