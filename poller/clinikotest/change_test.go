package clinikotest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// opened is the stamp of what is made before a test moves the clock.
var opened = schemas.FormatStamp(start)

// differing are the sorted names of the members in which two records differ, updated_at left out.
func differing(t *testing.T, before, after []byte) []string {
	t.Helper()
	b, a := members(t, before), members(t, after)
	var names []string
	for name := range a {
		if name != "updated_at" && string(a[name]) != string(b[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// An edit changes what it says it changes, moves updated_at to the clinic's time, and leaves created_at.
func TestEditsSayWhatChanged(t *testing.T) {
	for _, of := range everyResource(func(r *resource) bool { return r.stamped() && len(r.of) == 0 }) {
		clock := NewClock(start)
		c := New(Options{Now: clock.Now, Edition: of.edition})
		c.Populate(Sizes{of.name: 3})
		id := c.Create(of.name)
		for i := range 40 {
			clock.Advance(1500 * time.Millisecond)
			before, _ := c.Record(of.name, id)
			var got []string
			switch i % 4 {
			case 0, 1:
				got = c.EditField(of.name, id)
			case 2:
				got = c.ChangeSilently(of.name, id)
			case 3:
				got = c.Edit(of.name, id, Fields{"extra": i})
			}
			after, _ := c.Record(of.name, id)
			if want := differing(t, before, after); !slices.Equal(got, want) || len(got) == 0 {
				t.Fatalf("%s: got %q, want %q", of.name, got, want)
			}
			want := strconv.Quote(schemas.FormatStamp(clock.Now()))
			if i%4 == 2 {
				want = string(members(t, before)["updated_at"])
			}
			if m := members(t, after); string(m["updated_at"]) != want || string(m["created_at"]) != strconv.Quote(opened) {
				t.Fatalf("%s: got updated_at %s, want %s", of.name, m["updated_at"], want)
			}
		}
		if n := len(c.History(of.name, id)); n != 41 {
			t.Errorf("%s: got %d versions, want 41", of.name, n)
		}
	}
}

// An edit that sets what is there already changes nothing but the stamp.
func TestEditToTheSameValueChangesNothing(t *testing.T) {
	_, c, clock := open(t, Options{})
	id := c.Create("patients", Fields{"notes": "x"})
	clock.Advance(time.Minute)
	if got := c.Edit("patients", id, Fields{"notes": "x"}); got != nil {
		t.Errorf("got %q, want nothing", got)
	}
	if got := c.UpdatedAt("patients", id); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("got updated_at %v, want a minute later", got)
	}
}

func TestTouchMovesTheStampAlone(t *testing.T) {
	_, c, clock := open(t, Options{})
	id := c.Create("patients")
	before, _ := c.Record("patients", id)
	clock.Advance(time.Minute)
	if !c.Touch("patients", id) {
		t.Fatal("there is no such record")
	}
	after, _ := c.Record("patients", id)
	if got := differing(t, before, after); got != nil || !c.UpdatedAt("patients", id).Equal(start.Add(time.Minute)) {
		t.Errorf("got changes %q, stamp %v", got, c.UpdatedAt("patients", id))
	}
}

// What was removed is in no list and has no address; its history stays, and a further edit finds nothing.
func TestRemovedRecordsAreGone(t *testing.T) {
	s, c, _ := open(t, Options{})
	ids := c.Import("patients", 3)
	if !c.Remove("patients", ids[1]) || c.Remove("patients", ids[1]) {
		t.Error("a record can be removed once")
	}
	l := list(t, s, "patients", "sort", "id")
	if got := l.ids(t); got != join(ids[0], ids[2]) {
		t.Errorf("got %s, want %s", got, join(ids[0], ids[2]))
	}
	if resp, body := get(t, s, "/patients/"+string(ids[1])); resp.StatusCode != 404 || !json.Valid(body) {
		t.Errorf("got %d %s, want 404 as JSON", resp.StatusCode, body)
	}
	if c.EditField("patients", ids[1]) != nil || c.Touch("patients", ids[1]) || len(c.History("patients", ids[1])) != 1 {
		t.Error("what is gone was edited")
	}
}

// Archived, cancelled and deleted rows are in no plain list, and come back when the state does.
func TestStatesHideARecord(t *testing.T) {
	s, c, _ := open(t, Options{})
	id := c.Create("appointments")
	for _, state := range []string{"cancellation_time", "deleted_at"} {
		c.Edit("appointments", id, Fields{state: opened})
		l := list(t, s, "appointments")
		resp, _ := get(t, s, "/appointments/"+string(id))
		if _, ok := c.Record("appointments", id); ok || len(l.Rows) != 0 || *l.Total != 0 || resp.StatusCode != 404 {
			t.Errorf("%s: the record still shows", state)
		}
		c.Edit("appointments", id, Fields{state: nil})
		if l := list(t, s, "appointments"); len(l.Rows) != 1 || len(c.IDs("appointments")) != 1 {
			t.Errorf("%s: the record does not come back", state)
		}
	}
}

// A clock may be put back; the clinic's stamps follow it.
func TestTheClockMayBePutBack(t *testing.T) {
	s, c, clock := open(t, Options{})
	first := c.Create("taxes")
	clock.Set(start.Add(-time.Hour + time.Millisecond))
	second := c.Create("taxes")
	if got := c.UpdatedAt("taxes", second); !got.Equal(start.Add(-time.Hour)) {
		t.Errorf("got %v", got)
	}
	l := list(t, s, "taxes")
	if got := l.ids(t); got != join(second, first) {
		t.Errorf("got %s, want the earlier stamp first", got)
	}
}

// A late row or edit has the stamp of when it was made, and shows only afterwards.
func TestLateChangesShowLater(t *testing.T) {
	s, c, clock := open(t, Options{})
	id := c.Create("patients", Fields{"notes": "early"})
	clock.Advance(time.Minute)
	late := c.CreateLate("patients", 90*time.Second)
	if got := c.EditLate("patients", id, 30*time.Second, Fields{"notes": "late"}); !slices.Equal(got, []string{"notes"}) {
		t.Errorf("got %q", got)
	}
	check := func(wantIDs string, wantNotes string) {
		t.Helper()
		l := list(t, s, "patients", "sort", "updated_at,id")
		if got := l.ids(t); got != wantIDs {
			t.Errorf("got %s, want %s", got, wantIDs)
		}
		if notes, _ := c.Field("patients", id, "notes"); string(notes) != strconv.Quote(wantNotes) {
			t.Errorf("got notes %s, want %q", notes, wantNotes)
		}
	}
	clock.Advance(29 * time.Second)
	check(join(id), "early")
	clock.Advance(time.Second)
	check(join(id), "late")
	if got := c.UpdatedAt("patients", id); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("got updated_at %v, want that of the edit", got)
	}
	clock.Advance(time.Minute)
	check(join(id, late), "late")
	versions := c.History("patients", id)
	if v := versions[1]; len(versions) != 2 || !v.UpdatedAt.Equal(start.Add(time.Minute)) ||
		!v.ShownAt.Equal(start.Add(90*time.Second)) {
		t.Errorf("got history %+v", versions)
	}
}

// An edit on top of a late one brings both out at once.
func TestAnEditOvertakesNoLateOne(t *testing.T) {
	_, c, clock := open(t, Options{})
	id := c.Create("patients")
	c.EditLate("patients", id, time.Hour, Fields{"notes": "late"})
	clock.Advance(time.Second)
	c.Edit("patients", id, Fields{"occupation": "Diver"})
	if v := c.History("patients", id)[1]; !v.UpdatedAt.Equal(start) || !v.ShownAt.Equal(start.Add(time.Second)) {
		t.Errorf("the late edit: got %v, shown at %v", v.UpdatedAt, v.ShownAt)
	}
	notes, _ := c.Field("patients", id, "notes")
	occupation, _ := c.Field("patients", id, "occupation")
	if string(notes) != `"late"` || string(occupation) != `"Diver"` {
		t.Errorf("got %s and %s", notes, occupation)
	}
}

func TestImportsHaveOneStamp(t *testing.T) {
	s, c, _ := open(t, Options{})
	ids := c.Import("patients", 250)
	l := list(t, s, "patients", "q[]", "updated_at:>="+opened, "q[]", "updated_at:<="+opened, "per_page", "100")
	if len(ids) != 250 || *l.Total != 250 || len(l.Rows) != 100 {
		t.Errorf("got %d rows of %d", len(l.Rows), *l.Total)
	}
}

// A new field of the API is on every row at once, on rows made later too, and moves no stamp.
func TestAddedFieldsMoveNoStamp(t *testing.T) {
	_, c, clock := open(t, Options{})
	id := c.Create("taxes")
	clock.Advance(time.Hour)
	c.AddField("taxes", "account_code", "200")
	for _, id := range []schemas.ID{id, c.Create("taxes")} {
		if raw, _ := c.Field("taxes", id, "account_code"); string(raw) != `"200"` {
			t.Errorf("got %s", raw)
		}
	}
	if got := c.UpdatedAt("taxes", id); !got.Equal(start) {
		t.Errorf("got updated_at %v, want %v", got, start)
	}
}

// Ids are numbers or strings as the options say, past 2^53 and in no order if they are big.
func TestIDsAreSpelledAsTheOptionsSay(t *testing.T) {
	for _, test := range []struct{ text, big bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		_, c, _ := open(t, Options{StringIDs: test.text, BigIDs: test.big})
		ids := c.Import("patients", 100)
		var numbers []int64
		past := 0
		for _, id := range ids {
			raw, _ := c.Record("patients", id)
			want := string(id)
			if test.text {
				want = strconv.Quote(want)
			}
			if got := string(members(t, raw)["id"]); got != want {
				t.Fatalf("got id %s, want %s", got, want)
			}
			n, err := strconv.ParseInt(string(id), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if n > 1<<53 {
				past++
			}
			numbers = append(numbers, n)
		}
		if slices.IsSorted(numbers) == test.big {
			t.Errorf("%+v: in order: %v", test, !test.big)
		}
		if test.big != (past > 50) || past == 100 {
			t.Errorf("%+v: %d of 100 are past 2^53", test, past)
		}
	}
}

// Two clinics of one seed that are treated alike are alike, and another seed gives another clinic. Reading does not
// matter.
func TestOneSeedGivesOneClinic(t *testing.T) {
	story := func(seed uint64, read bool) string {
		s, c, clock := open(t, Options{Seed: seed, BaseURL: "https://clinic.example/v1", RequestsPerMinute: -1})
		c.Populate(SmallClinic())
		live := NewLive(c, seed)
		for range 50 {
			live.Step(4)
			clock.Advance(700 * time.Millisecond)
			if read {
				list(t, s, "patients", "sort", "updated_at")
			}
		}
		var all strings.Builder
		for _, resource := range c.Resources() {
			for _, id := range c.IDs(resource) {
				for _, v := range c.History(resource, id) {
					all.Write(v.Raw)
				}
			}
		}
		return all.String()
	}
	first := story(7, false)
	if story(7, true) != first {
		t.Error("the same seed gave another clinic")
	}
	if story(8, false) == first {
		t.Error("another seed gave the same clinic")
	}
}

// A record's bytes are the same under another server of the same clinic: a restart changes nobody.
func TestARestartChangesNoRecord(t *testing.T) {
	s, c, _ := open(t, Options{})
	id := c.Create("patients")
	_, before := get(t, s, "/patients/"+string(id))
	if !strings.Contains(string(before), s.URL+"/patients/"+string(id)) {
		t.Errorf("the links do not begin with %s: %s", s.URL, before)
	}
	s.Close()
	again := NewServer(c)
	defer again.Close()
	if _, after := get(t, again, "/patients/"+string(id)); string(after) != string(before) {
		t.Errorf("got %s, want %s", after, before)
	}
}

// A clinic that keeps one version keeps the one that shows and those that wait.
func TestKeepVersionsForgetsTheOldest(t *testing.T) {
	_, c, clock := open(t, Options{KeepVersions: 1})
	id := c.Create("patients")
	for range 5 {
		c.EditField("patients", id)
	}
	c.EditLate("patients", id, time.Second, Fields{"notes": "late"})
	if n := len(c.History("patients", id)); n != 2 {
		t.Errorf("got %d versions, want the one that shows and the one that waits", n)
	}
	clock.Advance(time.Second)
	if notes, _ := c.Field("patients", id, "notes"); string(notes) != `"late"` {
		t.Errorf("got notes %s", notes)
	}
	c.EditField("patients", id)
	if n := len(c.History("patients", id)); n != 1 {
		t.Errorf("got %d versions, want 1", n)
	}
}

// A clinic can be read and changed by many at once. The race detector is the judge.
func TestManyMayUseAClinicAtOnce(t *testing.T) {
	s, c, clock := open(t, Options{RequestsPerMinute: -1, Respell: true})
	c.Populate(Sizes{"patients": 20, "appointments": 20})
	s.Inject(Rule{Fault: Drift(func(c *Clinic) { c.Create("patients") }), Chance: 0.3})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			live := NewLive(c, uint64(i))
			for range 25 {
				live.Step(2)
				clock.Advance(time.Second)
				c.EditLate("patients", c.IDs("patients")[0], time.Second, Fields{"notes": i})
			}
		})
	}
	for range 20 {
		list(t, s, "patients", "sort", "updated_at")
	}
	wg.Wait()
	s.Requests()
}
