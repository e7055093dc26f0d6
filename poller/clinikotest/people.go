package clinikotest

import (
	"math/rand/v2"
	"strings"
)

// Everybody and every place here is invented. The phone numbers are those that Australia's regulator sets aside for
// fiction, the mail domains are reserved for examples, and so are the network addresses.

var (
	firstNames = []string{
		"Marlow", "Ines", "Tobiah", "Runa", "Caspian", "Odalys", "Perrin", "Yuki", "Bexley", "Amaro", "Sunniva",
		"Zoë", "Ngaire", "Lorcan", "Hanneke", "Dilnoza", "Søren", "Oriel", "Tamsin", "Ekow", "Mirela", "Jiří",
	}
	lastNames = []string{
		"Vantongeren", "Oakhollow", "Pemberwick", "Ashgrove", "Quillfeather", "Marsden-Loe", "Tidewell", "O'Harrow",
		"Brindlecombe", "Nakamori", "Fairweather", "Løvdal", "Castellane", "Wrenfield", "Abernook", "Müllerstein",
		"Iversholt", "Sandoval-Rey", "Thistleton", "Kowhai", "Drummore", "Beaufoy",
	}
	streets = []string{
		"Lantern Street", "Cooper's Rise", "Windmill Lane", "Old Tannery Road", "Saltbush Avenue", "Ferry Parade",
		"Magpie Crescent", "Copper Beech Drive",
	}
	towns = []struct{ city, postCode, state string }{
		{"Wattle Bend", "3998", "Victoria"},
		{"Port Merrin", "3997", "Victoria"},
		{"Kingsmere", "3996", "Victoria"},
		{"Dunmore East", "2999", "New South Wales"},
	}
	phones = []string{
		"61491570006", "61491570156", "61491570157", "61491570158", "61491570159", "61491570110", "61491570313",
		"61491570737", "61491571266", "61491571491", "61491571804", "61491572549", "61491572665", "61491572983",
	}
	mailHosts   = []string{"example.com", "example.net", "example.org"}
	titles      = []string{"", "", "", "Ms", "Mr", "Dr", "Mx"}
	genders     = []string{"Female", "Male", "Not Applicable", "Not Known", ""}
	occupations = []string{"", "Baker", "Surveyor", "Teacher", "Retired", "Student", "Lift mechanic", "Beekeeper"}
	remarks     = []string{
		"Prefers the ground-floor room", "Bring last year's scans", "Running ten minutes late",
		"Asked for a morning next time", "Uses the side entrance; knock twice", "Home exercises going well",
		"Pays with vouchers", "Talks about \"the good knee\"\nand the other one", "Wants fewer reminders",
	}
)

// A person is somebody invented.
type person struct {
	first, last, title, gender, email, phone   string
	street, city, postCode, state, dateOfBirth string
}

func (p *person) name() string { return p.first + " " + p.last }

func invent(rng *rand.Rand) person {
	town := pick(rng, towns)
	p := person{
		first: pick(rng, firstNames), last: pick(rng, lastNames), title: pick(rng, titles), gender: pick(rng, genders),
		phone: pick(rng, phones), street: digits(rng, 1, 199) + " " + pick(rng, streets),
		city: town.city, postCode: town.postCode, state: town.state,
		dateOfBirth: digits(rng, 1931, 2019) + "-" + pick(rng, months) + "-" + digits(rng, 10, 28),
	}
	p.email = mailbox(rng, p.first, p.last)
	return p
}

var months = strings.Fields("01 02 03 04 05 06 07 08 09 10 11 12")

// mailbox is an address for somebody of that name, in ASCII.
func mailbox(rng *rand.Rand, first, last string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(first+last))
	return plain + digits(rng, 1, 99) + "@" + pick(rng, mailHosts)
}

func phoneList(number, kind string) []map[string]string {
	return []map[string]string{{"number": number, "phone_type": kind}}
}
