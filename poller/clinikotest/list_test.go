package clinikotest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Every resource of the catalogue is served, each row with all documented fields but those that the API leaves out of
// some rows, and no row has others.
func TestEveryDocumentedFieldIsServed(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, _ := open(t, Options{RequestsPerMinute: -1, Edition: edition})
		c.Populate(SmallClinic())
		for _, r := range everyResource(func(r *resource) bool { return r.edition == edition && r.list == "plain" && r.stamped() }) {
			rows := list(t, s, r.name, "per_page", "100").Rows
			if len(rows) == 0 {
				t.Errorf("%s %s: no rows", edition, r.name)
			}
			all := map[string]bool{}
			for _, raw := range rows {
				names := slices.Sorted(maps.Keys(members(t, raw)))
				for _, name := range r.fields {
					optional := r.name == "patients" && name == "concession_type" || r.name == "bookings"
					if !optional && !slices.Contains(names, name) {
						t.Errorf("%s %s: a row has no %s", edition, r.name, name)
					}
				}
				for _, name := range names {
					all[name] = true
				}
			}
			if got, want := slices.Sorted(maps.Keys(all)), slices.Sorted(slices.Values(r.fields)); !slices.Equal(got, want) {
				t.Errorf("%s %s: got fields\n%q, want\n%q", edition, r.name, got, want)
			}
		}
	}
}

// A list embeds the very bytes that Record gives, and a single record is served as the same bytes.
func TestListsEmbedTheBytesOfRecord(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	c.Populate(Sizes{"patients": 30, "appointments": 30})
	for _, resource := range []schemas.Resource{"patients", "appointments"} {
		_, body := get(t, s, "/"+string(resource))
		for _, id := range c.IDs(resource) {
			raw, ok := c.Record(resource, id)
			if !ok || !bytes.Contains(body, raw) {
				t.Fatalf("%s/%s is not in the list as it is", resource, id)
			}
			if _, item := get(t, s, "/"+string(resource)+"/"+string(id)); !bytes.Equal(item, raw) {
				t.Fatalf("%s/%s: got %s, want %s", resource, id, item, raw)
			}
		}
	}
}

// A row says the same whatever its spelling, and its id keeps its digits.
func TestRespelledRowsMeanTheSame(t *testing.T) {
	s, c, _ := open(t, Options{Respell: true, BigIDs: true, RequestsPerMinute: -1})
	c.AddField("appointments", "odd", map[string]any{"zero": 0, "half": 0.5, "minus": -20, "text": "äöü\n<&>"})
	id := c.Create("appointments")
	plain, _ := c.Record("appointments", id)
	var want any
	if err := json.Unmarshal(plain, &want); err != nil {
		t.Fatal(err)
	}
	spellings := map[string]bool{}
	for range 30 {
		raw := list(t, s, "appointments").Rows[0]
		spellings[string(raw)] = true
		var got any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if !reflect.DeepEqual(got, want) || string(members(t, raw)["id"]) != string(id) {
			t.Fatalf("got %s, want %s", raw, plain)
		}
	}
	if len(spellings) < 20 {
		t.Errorf("only %d spellings in 30 reads", len(spellings))
	}
}

// people are three patients, created a second apart and edited in another order: 1, 0, 2.
func people(t *testing.T) (*Server, []schemas.ID) {
	t.Helper()
	s, c, clock := open(t, Options{RequestsPerMinute: -1})
	var ids []schemas.ID
	for _, f := range []Fields{
		{"first_name": "Zoë", "last_name": "Kowhai", "date_of_birth": "1984-05-02", "email": "zoe@example.com"},
		{"first_name": "Runa", "last_name": "Løvdal", "date_of_birth": "1990-11-30", "email": "runa_x@example.net"},
		{"first_name": "Ekow", "last_name": "Kowhai", "date_of_birth": nil, "email": "ekow@example.org"},
	} {
		ids = append(ids, c.Create("patients", f))
		clock.Advance(time.Second)
	}
	for _, i := range []int{1, 0, 2} { // at 10:00:03, :04 and :05
		c.Touch("patients", ids[i])
		clock.Advance(time.Second)
	}
	return s, ids
}

func TestFiltersSelectAsTheDocsSay(t *testing.T) {
	s, ids := people(t)
	for _, test := range []struct {
		want string // places in people
		q    []string
	}{
		{"0 1 2", nil},
		{"0 2", []string{"updated_at:>=2027-03-27T10:00:04Z"}},
		{"2", []string{"updated_at:>2027-03-27T10:00:04Z"}},
		{"0 1", []string{"updated_at:<=2027-03-27T10:00:04Z"}},
		{"1", []string{"updated_at:<2027-03-27T10:00:04Z"}},
		{"0", []string{"updated_at:>=2027-03-27T10:00:04Z", "updated_at:<=2027-03-27T10:00:04Z"}},
		{"", []string{"updated_at:>2027-03-27T10:00:04Z", "updated_at:<2027-03-27T10:00:04Z"}},
		{"0", []string{"updated_at:>=2027-03-27T10:00:04Z", "created_at:<=2027-03-27T10:00:01Z"}},
		{"1 2", []string{"created_at:>2027-03-27T10:00:00Z"}},
		{"0 2", []string{"id:=ID0,ID2"}},
		{"1 2", []string{"id:!=ID0"}},
		{"1 2", []string{"id:>=ID1"}},
		{"2", []string{"id:>ID1"}},
		{"0 1", []string{"id:<=ID1"}},
		{"0", []string{"id:<ID1"}},
		{"0", []string{"date_of_birth:=1984-05-02"}},
		{"0", []string{"date_of_birth:=****-05-**"}},
		{"0 1", []string{"date_of_birth:=19**-**-**"}},
		{"1", []string{"date_of_birth:>=1984-05-03"}},
		{"1", []string{"date_of_birth:>1984-05-02"}},
		{"0", []string{"date_of_birth:<=1984-05-02"}},
		{"0", []string{"date_of_birth:<1990-11-30"}},
		{"0 2", []string{"last_name:=Kowhai"}},
		{"1", []string{"last_name:!=Kowhai"}},
		{"1", []string{"last_name:~vda"}},
		{"0 2", []string{"last_name:~~K%I"}},
		{"", []string{"last_name:~~owhai"}},
		{"1", []string{"email:~_x@"}},
		{"0", []string{"last_name:=Kowhai", "first_name:=Zoë"}},
		{"", []string{"old_reference_id:=A:B"}},
	} {
		fill := strings.NewReplacer("ID0", string(ids[0]), "ID1", string(ids[1]), "ID2", string(ids[2]))
		params := []string{"sort", "id"}
		for _, q := range test.q {
			params = append(params, "q[]", fill.Replace(q))
		}
		var want []schemas.ID
		for place := range strings.FieldsSeq(test.want) {
			i, _ := strconv.Atoi(place)
			want = append(want, ids[i])
		}
		l := list(t, s, "patients", params...)
		if got := l.ids(t); got != join(want...) {
			t.Errorf("%q: got %s, want %s", test.q, got, join(want...))
		}
		if *l.Total != len(want) {
			t.Errorf("%q: got total %d, want %d", test.q, *l.Total, len(want))
		}
	}
}

// The older spelling, a single q, is a filter too.
func TestSingleQIsAFilter(t *testing.T) {
	s, ids := people(t)
	l := list(t, s, "patients", "q", "first_name:=Runa")
	if got := l.ids(t); got != join(ids[1]) {
		t.Errorf("got %s, want %s", got, ids[1])
	}
}

// The id behind a relation can be filtered where the docs say so.
func TestRelationsAreFilteredByTheirID(t *testing.T) {
	s, c, _ := open(t, Options{})
	c.Create("appointments", Fields{"patient": RefTo("patients", "9007199254740993")})
	want := c.Create("appointments", Fields{"patient": RefTo("patients", "9007199254740994")})
	l := list(t, s, "appointments", "q[]", "patient_id:=9007199254740994")
	if got := l.ids(t); got != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	l = list(t, s, "appointments", "q[]", "appointment_start:>="+schemas.FormatStamp(start.AddDate(1, 0, 0)))
	if got := l.ids(t); got != "" {
		t.Errorf("got %s, want nothing that starts in a year", got)
	}
}

func TestWhatTheAPIDoesNotTakeIsRefusedWith400(t *testing.T) {
	s, _, _ := open(t, Options{RequestsPerMinute: -1})
	for _, test := range []struct{ path, name, value, message string }{
		{"/patients", "q[]", "archived_at:>=2027-03-27T10:00:00Z", "This column is not searchable."},
		{"/patients", "q[]", "city:=Kingsmere", "This column is not searchable."},
		{"/taxes", "q[]", "name:=GST", "This column is not searchable."},
		{"/patients", "q[]", "updated_at", "This column is not searchable."},
		{"/patients", "q[]", "updated_at:=2027-03-27T10:00:00Z", "This operator is not supported for updated_at."},
		{"/patients", "q[]", "date_of_birth:~1984", "This operator is not supported for date_of_birth."},
		{"/patients", "q[]", "updated_at:>=2027-03-27T10:00:00+00:00", "Invalid datetime for updated_at."},
		{"/patients", "q[]", "updated_at:>=2027-03-27T10:00:00.5Z", "Invalid datetime for updated_at."},
		{"/patients", "q[]", "updated_at:>=2027-03-27", "Invalid datetime for updated_at."},
		{"/patients", "q[]", "date_of_birth:>=19**-01-01", "Invalid date for date_of_birth."},
		{"/patients", "q[]", "date_of_birth:=1984-13-01", "Invalid date for date_of_birth."},
		{"/patients", "q[]", "id:=1,two", "Invalid number for id."},
		{"/patients", "q[]", "id:>=1,2", "A list of numbers takes = alone."},
		{"/patients", "sort", "favourite_colour", "This column is not sortable."},
		{"/patients", "sort", "id:sideways", "This column is not sortable."},
		{"/appointments", "sort", "patient", "This column is not sortable."},
		{"/patients", "order", "sideways", "Invalid order."},
		{"/patients", "page", "0", "Invalid page."},
		{"/patients", "per_page", "many", "Invalid per_page."},
	} {
		resp, body := get(t, s, test.path, test.name, test.value)
		want := `{"message":"` + test.message + `"}`
		if resp.StatusCode != http.StatusBadRequest || string(body) != want {
			t.Errorf("%s %s=%s: got %d %s, want 400 %s", test.path, test.name, test.value, resp.StatusCode, body, want)
		}
	}
}

func TestSortingFollowsTheColumnsAndTheOrder(t *testing.T) {
	s, ids := people(t)
	for _, test := range []struct {
		sort, order string
		want        []int
	}{
		{"", "", []int{0, 1, 2}},
		{"", "desc", []int{2, 1, 0}},
		{"updated_at", "", []int{1, 0, 2}},
		{"updated_at:desc", "asc", []int{2, 0, 1}},
		{"last_name,first_name", "", []int{2, 0, 1}},
		{"last_name,first_name:desc", "", []int{0, 2, 1}},
		{"last_name:asc,first_name", "desc", []int{0, 2, 1}},
		{"date_of_birth", "", []int{0, 1, 2}}, // null is last
		{"id:desc", "", []int{2, 1, 0}},
	} {
		var params []string
		if test.sort != "" {
			params = append(params, "sort", test.sort)
		}
		if test.order != "" {
			params = append(params, "order", test.order)
		}
		l := list(t, s, "patients", params...)
		var want []schemas.ID
		for _, i := range test.want {
			want = append(want, ids[i])
		}
		if got := l.ids(t); got != join(want...) {
			t.Errorf("sort=%s order=%s: got %s, want %s", test.sort, test.order, got, join(want...))
		}
	}
}

// Null is last, false comes before true, and numbers are ordered as numbers.
func TestSortingKnowsEveryKindOfValue(t *testing.T) {
	s, c, _ := open(t, Options{})
	for _, test := range []struct {
		resource schemas.Resource
		column   string
		values   []any // in their order
	}{
		{"patients", "date_of_birth", []any{"1990-01-01", "2000-01-01", nil}},
		{"patients", "last_name", []any{"A & B", "A\"B", "Å"}},
		{"products", "stock_level", []any{-3, 20, 100}},
		{"users", "user_active", []any{false, true, nil}},
	} {
		var want []schemas.ID
		for _, v := range slices.Backward(test.values) {
			want = slices.Insert(want, 0, c.Create(test.resource, Fields{test.column: v}))
		}
		l := list(t, s, test.resource, "sort", test.column, "q[]", "id:="+strings.ReplaceAll(join(want...), " ", ","))
		if got := l.ids(t); got != join(want...) {
			t.Errorf("%s by %s: got %s, want %s", test.resource, test.column, got, join(want...))
		}
	}
}

// Who follows next through a list that stands still gets every row once, with the filters and the sort that the first
// request asked for.
func TestNextLeadsThroughTheWholeList(t *testing.T) {
	s, c, clock := open(t, Options{RequestsPerMinute: -1})
	for range 12 {
		c.Create("patients")
		clock.Advance(time.Second)
	}
	ids := c.IDs("patients")
	next := address(s, "/patients", "per_page", "5", "sort", "updated_at:desc", "q[]", "id:!="+string(ids[0]))
	var got []string
	for pages := 1; next != ""; pages++ {
		_, body, err := do(t, request(t, next))
		if err != nil {
			t.Fatal(err)
		}
		l := parseListing(t, "patients", body)
		if *l.Total != 11 || l.Links["self"] == "" || (l.Links["previous"] != "") != (pages > 1) {
			t.Fatalf("page %d: total %d, links %v", pages, *l.Total, l.Links)
		}
		got = append(got, l.ids(t))
		next = l.Links["next"]
	}
	want := slices.Clone(ids[1:])
	slices.Reverse(want)
	if strings.Join(got, " ") != join(want...) || len(got) != 3 {
		t.Errorf("got %s in %d pages, want %s", got, len(got), join(want...))
	}
}

func TestPagesHoldFiftyRowsAndAHundredAtMost(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	c.Import("taxes", 120)
	for _, test := range []struct {
		params []string
		want   int
		next   bool
	}{
		{nil, 50, true},
		{[]string{"per_page", "100"}, 100, true},
		{[]string{"per_page", "5000"}, 100, true},
		{[]string{"per_page", "40", "page", "3"}, 40, false},
		{[]string{"per_page", "100", "page", "2"}, 20, false},
		{[]string{"page", "9"}, 0, false},
		{[]string{"page", "9223372036854775807"}, 0, false},
	} {
		l := list(t, s, "taxes", test.params...)
		if len(l.Rows) != test.want || *l.Total != 120 || (l.Links["next"] != "") != test.next {
			t.Errorf("%q: got %d rows of %d, links %v", test.params, len(l.Rows), *l.Total, l.Links)
		}
	}
}

// Rows of one stamp come in another order each time, unless the options say otherwise; each comes once.
func TestTiesAreShuffled(t *testing.T) {
	for _, stable := range []bool{false, true} {
		s, c, clock := open(t, Options{StableTies: stable, RequestsPerMinute: -1})
		first := c.Create("patients")
		clock.Advance(time.Second)
		ids := append([]schemas.ID{first}, c.Import("patients", 20)...)
		orders := map[string]bool{}
		for range 10 {
			l := list(t, s, "patients", "sort", "updated_at")
			order := strings.Fields(l.ids(t))
			if order[0] != string(first) {
				t.Fatalf("got %s first, want %s: it is older", order[0], first)
			}
			orders[strings.Join(order, " ")] = true
			slices.Sort(order)
			want := strings.Fields(join(ids...))
			slices.Sort(want)
			if !slices.Equal(order, want) {
				t.Fatalf("got %s, want %s", order, want)
			}
		}
		seen := map[string]bool{} // on the third page of five
		for range 40 {
			l := list(t, s, "patients", "sort", "updated_at", "per_page", "5", "page", "3")
			for id := range strings.FieldsSeq(l.ids(t)) {
				seen[id] = true
			}
		}
		if want := 20; !stable && len(seen) != want {
			t.Errorf("got %d rows on one page in 40 reads, want all %d that have the stamp", len(seen), want)
		}
		if stable != (len(orders) == 1) {
			t.Errorf("stable %v: got %d orders in 10 reads", stable, len(orders))
		}
		l := list(t, s, "patients", "sort", "updated_at,id")
		if got := l.ids(t); got != join(ids...) {
			t.Errorf("with the id as second column: got %s, want %s", got, join(ids...))
		}
	}
}

// A filtered and sorted page of a list of 20,000 rows costs well under 10 ms.
func BenchmarkList(b *testing.B) {
	clock := NewClock(start)
	c := New(Options{Now: clock.Now, RequestsPerMinute: -1})
	c.Populate(Sizes{"patients": 20_000})
	l, _ := c.open("patients")
	middle := stamp(l.byStamp[10_000].now().updated)
	c.mu.Unlock()
	for name, asked := range map[string]map[string][]string{
		"since":     {"sort": {"updated_at"}, "q[]": {"updated_at:>=" + stamp(start.Add(-2*time.Hour).Unix())}},
		"half":      {"sort": {"updated_at"}, "q[]": {"updated_at:>=" + middle}},
		"default":   {},
		"last_name": {"sort": {"last_name,first_name"}, "q[]": {"last_name:~o"}},
		"deep":      {"sort": {"id:desc"}, "page": {"150"}},
	} {
		asked["per_page"] = []string{"100"}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				q, err := parseQuery(l.res, asked)
				if err != nil {
					b.Fatal(err)
				}
				p := c.list(q)
				p.link(q, "http://127.0.0.1/v1/patients")
				if len(p.encode()) < 1000 {
					b.Fatal("an empty page")
				}
			}
		})
	}
}
