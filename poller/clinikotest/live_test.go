package clinikotest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A populated clinic has its past behind it, and every relation leads to a record that exists.
func TestPopulatedClinicsAreConsistent(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		_, c, _ := open(t, Options{Edition: edition})
		c.Populate(SmallClinic())
		NewLive(c, 1).Step(300)
		checkRecords(t, c)
		checkAppointments(t, c)
	}
}

func checkRecords(t *testing.T, c *Clinic) {
	t.Helper()
	for _, of := range everyResource(func(r *resource) bool { return r.edition == c.Edition() && r.stamped() }) {
		ids := c.IDs(of.name)
		if len(ids) < SmallClinic()[of.name] {
			t.Errorf("%s: got %d records", of.name, len(ids))
		}
		for _, id := range ids {
			first := c.History(of.name, id)[0]
			raw, _ := c.Record(of.name, id)
			var r struct {
				CreatedAt time.Time `json:"created_at"`
			}
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			if first.UpdatedAt.Before(r.CreatedAt) || first.UpdatedAt.After(start) {
				t.Fatalf("%s/%s: created %v, updated %v", of.name, id, r.CreatedAt, first.UpdatedAt)
			}
			for _, name := range of.fields {
				target, odd := relatives[name]
				if !odd {
					target = schemas.Resource(name + "s")
				}
				if other, ok := c.Related(of.name, id, name); ok && c.Has(target) && !slices.Contains(c.IDs(target), other) {
					t.Fatalf("%s/%s: %s %s does not exist", of.name, id, name, other)
				}
			}
		}
	}
}

func checkAppointments(t *testing.T, c *Clinic) {
	t.Helper()
	early := 0 // booked before their patient was registered
	for _, id := range c.IDs("appointments") {
		patient, _ := c.Related("appointments", id, "patient")
		for _, v := range c.History("appointments", id)[:1] {
			versions := c.History("patients", patient)
			if !slices.ContainsFunc(versions, func(p Version) bool {
				return string(members(t, p.Raw)["label"]) == string(members(t, v.Raw)["patient_name"])
			}) {
				t.Fatalf("appointment %s has the name of somebody else", id)
			}
		}
		booked, _ := c.Field("appointments", id, "created_at")
		if registered, _ := c.Field("patients", patient, "created_at"); string(booked) < string(registered) {
			early++
		}
	}
	if n := len(c.IDs("appointments")); early > n/20 {
		t.Errorf("%d of %d appointments are older than their patients", early, n)
	}
}

// In the days of a clinic, stamps move alone, a record changes twice within a second, and values come back.
func TestDaysHoldWhatIsHardToWatch(t *testing.T) {
	_, c, clock := open(t, Options{})
	c.Populate(Sizes{"patients": 20, "appointments": 20, "invoices": 10, "products": 5, "contacts": 5})
	live := NewLive(c, 1)
	for range 400 {
		live.Step(1)
		clock.Advance(time.Second)
	}
	var touched, twice, back int
	for _, resource := range busy {
		for _, id := range c.IDs(resource) {
			versions := c.History(resource, id)
			for i := 1; i < len(versions); i++ {
				changed := differing(t, versions[i-1].Raw, versions[i].Raw)
				if changed == nil {
					touched++
				} else if versions[i].UpdatedAt.Equal(versions[i-1].UpdatedAt) {
					twice++
				}
				if i > 1 && changed != nil && differing(t, versions[i-2].Raw, versions[i].Raw) == nil &&
					versions[i].UpdatedAt.After(versions[i-1].UpdatedAt) {
					back++
				}
			}
		}
	}
	if touched == 0 || twice == 0 || back == 0 {
		t.Errorf("got %d touches, %d second edits within a second, %d returns; want some of each", touched, twice, back)
	}
}

// What goes there and back has its old values again, in a later version.
func TestValuesComeBack(t *testing.T) {
	_, c, clock := open(t, Options{})
	live := NewLive(c, 1)
	for before := -1; len(live.undo) > before; clock.Advance(time.Second) { // until one was taken from it
		before = len(live.undo)
		if before > 0 {
			u := live.undo[0]
			live.thereAndBack()
			if len(live.undo) > before {
				continue
			}
			for name, want := range u.old {
				got, _ := c.Field(u.resource, u.id, name)
				if string(got) != string(want.(json.RawMessage)) || len(c.History(u.resource, u.id)) < 3 {
					t.Errorf("%s/%s: got %s %s, want %s", u.resource, u.id, name, got, want)
				}
			}
			return
		}
		live.thereAndBack()
	}
	t.Error("nothing came back")
}

// An empty clinic comes to life too.
func TestAnEmptyClinicComesToLife(t *testing.T) {
	c := New(Options{})
	NewLive(c, 3).Step(200)
	if len(c.IDs("appointments")) == 0 || len(c.IDs("patients")) == 0 {
		t.Error("nobody came")
	}
}

// Run does about as many things as it was asked to, until its context ends.
func TestRunKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		if err := NewLive(c, 1).Run(ctx, 5); err != nil {
			t.Fatal(err)
		}
		versions := 0
		for _, resource := range c.Resources() {
			for _, id := range c.IDs(resource) {
				versions += len(c.History(resource, id))
			}
		}
		if versions < 400 || versions > 1500 {
			t.Errorf("got %d versions in 100 s at 5 a second", versions)
		}
	})
}

// All example people live in ranges that are set aside for fiction.
func TestPeopleAreInvented(t *testing.T) {
	_, c, _ := open(t, Options{})
	for _, id := range c.Import("patients", 50) {
		raw, _ := c.Record("patients", id)
		var p struct {
			Email  string
			Phones []struct{ Number string } `json:"patient_phone_numbers"`
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(p.Email, "@example.") || len(p.Phones) != 1 || !strings.HasPrefix(p.Phones[0].Number, "6149157") {
			t.Errorf("got %+v", p)
		}
	}
}
