package schemas_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var editions = []schemas.Edition{schemas.Edition2017, schemas.Edition2025}

// rows are the rows of both editions.
func rows() []schemas.Spec {
	return slices.Concat(schemas.Catalogue(schemas.Edition2017), schemas.Catalogue(schemas.Edition2025))
}

// rowName names a row in the output of tests.
func rowName(spec schemas.Spec) string { return string(spec.Edition) + "/" + string(spec.Resource) }

// Both editions are there, each resource stands once, and Lookup finds it.
func TestTheCatalogueHasEveryResourceOnce(t *testing.T) {
	if list := schemas.Catalogue("2013"); list != nil {
		t.Errorf("there is no edition 2013: got %v", list)
	}
	for _, edition := range editions {
		list := schemas.Catalogue(edition)
		if len(list) == 0 {
			t.Errorf("%s has no resource", edition)
		}
		seen := map[schemas.Resource]bool{}
		for _, spec := range list {
			if seen[spec.Resource] {
				t.Errorf("%s: %s stands twice", edition, spec.Resource)
			}
			seen[spec.Resource] = true
			if spec.Edition != edition {
				t.Errorf("%s: %s says that it is of %s", edition, spec.Resource, spec.Edition)
			}
			if found, ok := schemas.Lookup(edition, spec.Resource); !ok || found.Item != spec.Item {
				t.Errorf("%s: Lookup does not find %s", edition, spec.Resource)
			}
			if !slices.Contains(schemas.Resources(), spec.Resource) {
				t.Errorf("%s: Resources lacks %s", edition, spec.Resource)
			}
		}
	}
	if spec, ok := schemas.Lookup(schemas.Edition2017, "attendees"); ok {
		t.Errorf("2017 has attendees: %v", spec)
	}
}

// What every reader of a row relies on, whatever its shape.
func TestEachRowIsWhole(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			if len(spec.Feeds) == 0 || spec.Feeds[0].Name != schemas.Live || spec.Feeds[0].Implies != "" {
				t.Fatalf("the first feed is not the live one: %+v", spec.Feeds)
			}
			names := map[string]bool{schemas.Baseline: true} // the name of another mark
			for _, f := range spec.Feeds {
				if names[f.Name] {
					t.Errorf("two marks are named %s", f.Name)
				}
				names[f.Name] = true
				if !strings.HasPrefix(f.Path, "/") || strings.ContainsAny(f.Path, "?# ") {
					t.Errorf("%s: bad path %q", f.Name, f.Path)
				}
				if f.Stamp != "" && !slices.Contains(spec.Fields, f.Stamp) && f.Name != "deleted" {
					t.Errorf("%s: no field %s to order by", f.Name, f.Stamp)
				}
				if f.Key != spec.Feeds[0].Key {
					t.Errorf("%s: got key %q, want that of the live feed", f.Name, f.Key)
				}
				for _, filter := range f.Filters {
					if !slices.Contains(spec.Lift, filter) {
						t.Errorf("%s: carries %s, which lifts nothing", f.Name, filter)
					}
				}
			}
			for state, field := range spec.States {
				if !slices.Contains(spec.Fields, field) {
					t.Errorf("no field %s to tell %s", field, state)
				}
			}
			if !slices.IsSorted(spec.Fields) || len(slices.Compact(slices.Clone(spec.Fields))) != len(spec.Fields) || len(spec.Fields) == 0 {
				t.Errorf("fields are none, not sorted, or stand twice: %q", spec.Fields)
			}
			if documented := schemas.DocumentedFields(spec.Edition, spec.Resource); len(documented) != len(spec.Fields) {
				t.Errorf("%d of %d fields have a type", len(documented), len(spec.Fields))
			}
			if _, err := parser.Parse(spec.Schedule); err != nil {
				t.Error(err)
			}
		})
	}
}

// What readers of one shape rely on.
func TestEachShapeHasWhatItNeeds(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			live := spec.Feeds[0]
			ids := slices.Contains(spec.Fields, "id")
			stamped := live.Stamp == "updated_at" && live.Key == string(spec.Resource)
			parents := strings.Count(live.Path, "{id}")
			switch spec.Shape {
			case schemas.Collection:
				if !ids || !stamped || parents != 0 || spec.Parent != "" || live.Path != "/"+live.Key {
					t.Errorf("no plain list: %+v", spec)
				}
				if spec.Item != "" && spec.Item != live.Path+"/{id}" {
					t.Errorf("odd address %s", spec.Item)
				}
			case schemas.Nested:
				if !ids || !stamped || parents != 1 || spec.Item == "" {
					t.Errorf("no nested list: %+v", spec)
				}
			case schemas.PerParent:
				if ids || live.Key != "" || live.Stamp != "" || parents != 1 || spec.Item != live.Path {
					t.Errorf("no object per parent: %+v", spec)
				}
			case schemas.Singleton:
				if ids || live.Stamp != "" || parents != 0 || spec.Item != "" || strings.Contains(live.Path, "{") {
					t.Errorf("no single object: %+v", spec)
				}
			case schemas.Slots:
				if ids || live.Stamp != "" || live.Key == "" || spec.Item != "" || strings.Count(live.Path, "{") != 3 {
					t.Errorf("no slots: %+v", spec)
				}
			default:
				t.Errorf("no such shape: %s", spec.Shape)
			}
			lesser := ""
			if spec.Resource == "settings" {
				lesser = "/settings/public"
			}
			if live.Fallback != lesser {
				t.Errorf("got the fallback %q, want %q", live.Fallback, lesser)
			}
			if nested := spec.Shape == schemas.Nested || spec.Shape == schemas.PerParent; nested {
				if parent, ok := schemas.Lookup(spec.Edition, spec.Parent); !ok || parent.Shape != schemas.Collection {
					t.Errorf("the parent %q is no list", spec.Parent)
				}
			} else if spec.Parent != "" {
				t.Errorf("has a parent: %s", spec.Parent)
			}
		})
	}
}

// Where states are hidden, each has a feed that finds what went into it, even if updated_at did not move; and the one
// live reading of 2025 shows them all.
func TestHiddenStatesHaveFeeds(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			if spec.Edition == schemas.Edition2017 && len(spec.Lift) > 0 {
				t.Errorf("2017 lifts nothing: %q", spec.Lift)
			}
			if !slices.Equal(spec.Feeds[0].Filters, spec.Lift) {
				t.Errorf("the live feed carries %q, want %q", spec.Feeds[0].Filters, spec.Lift)
			}
			for _, lift := range spec.Lift {
				column := strings.TrimSuffix(lift, ":*")
				i := slices.IndexFunc(spec.Feeds, func(f schemas.Feed) bool { return f.Stamp == column })
				if i < 0 {
					t.Fatalf("no feed follows %s", column)
				}
				f := spec.Feeds[i]
				if spec.States[f.Implies] != column || f.Path != spec.Feeds[0].Path {
					t.Errorf("%s: implies %s on %s", f.Name, f.Implies, f.Path)
				}
				if slices.Contains(f.Filters, lift) || len(f.Filters) != len(spec.Lift)-1 {
					t.Errorf("%s: carries %q", f.Name, f.Filters)
				}
			}
			for _, f := range spec.Feeds[1:] {
				if f.Path == spec.Feeds[0].Path {
					continue
				}
				stamp, implies := "updated_at", schemas.State(f.Name)
				switch f.Name {
				case "deleted":
					stamp = "deleted_at"
				case "inactive":
					implies = schemas.ArchivedState
				}
				if f.Path != spec.Feeds[0].Path+"/"+f.Name || f.Stamp != stamp || f.Implies != implies {
					t.Errorf("got %+v", f)
				}
			}
		})
	}
}

// The side lists of both editions.
func TestSideLists(t *testing.T) {
	want := []string{
		"2017/appointments/cancelled", "2017/appointments/deleted", "2017/patients/archived", "2017/patients/deleted",
		"2017/invoices/deleted", "2017/invoice_items/deleted", "2017/medical_alerts/deleted",
		"2017/practitioners/inactive", "2025/practitioners/inactive",
	}
	var got []string
	for _, spec := range rows() {
		for _, f := range spec.Feeds {
			if f.Name != schemas.Live && len(spec.Lift) == 0 {
				got = append(got, string(spec.Edition)+f.Path)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What nobody has to poll unless asked to.
func TestWhatIsOff(t *testing.T) {
	want := []string{"2017/available_times", "2025/appointments", "2025/bookings", "2025/public_settings", "2025/available_times"}
	var got []string
	for _, spec := range rows() {
		if spec.Off {
			got = append(got, rowName(spec))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A few rows in full, so that the rules above do not agree on nonsense.
func TestSomeRows(t *testing.T) {
	feeds := func(spec schemas.Spec) string {
		var list []string
		for _, f := range spec.Feeds {
			list = append(list, f.Name+" "+f.Path+" by "+f.Stamp+" "+strings.Join(f.Filters, ","))
		}
		return strings.Join(list, "\n")
	}
	for _, test := range []struct {
		edition  schemas.Edition
		resource schemas.Resource
		feeds    string
		states   map[schemas.State]string
	}{
		{
			schemas.Edition2017, "appointments", `live /appointments by updated_at 
cancelled /appointments/cancelled by updated_at 
deleted /appointments/deleted by deleted_at `,
			map[schemas.State]string{schemas.CancelledState: "cancellation_time", schemas.DeletedState: "deleted_at"},
		},
		{schemas.Edition2017, "practitioners", "live /practitioners by updated_at \ninactive /practitioners/inactive by updated_at ", nil},
		{
			schemas.Edition2017, "practitioner_reference_numbers",
			"live /practitioners/{id}/practitioner_reference_numbers by updated_at ", nil,
		},
		{schemas.Edition2017, "referral_sources", "live /patients/{id}/referral_source by  ", nil},
		{schemas.Edition2025, "users", "live /users by updated_at ", nil},
		{
			schemas.Edition2025, "patients", `live /patients by updated_at archived_at:*
archived /patients by archived_at `,
			map[schemas.State]string{schemas.ArchivedState: "archived_at", schemas.DeletedState: "deleted_at"},
		},
		{
			schemas.Edition2025, "attendees", `live /attendees by updated_at archived_at:*,cancelled_at:*,deleted_at:*
archived /attendees by archived_at cancelled_at:*,deleted_at:*
cancelled /attendees by cancelled_at archived_at:*,deleted_at:*
deleted /attendees by deleted_at archived_at:*,cancelled_at:*`,
			map[schemas.State]string{
				schemas.ArchivedState: "archived_at", schemas.CancelledState: "cancelled_at",
				schemas.DeletedState: "deleted_at",
			},
		},
		{schemas.Edition2025, "public_settings", "live /settings/public by  ", nil},
	} {
		spec, _ := schemas.Lookup(test.edition, test.resource)
		if got := feeds(spec); got != test.feeds {
			t.Errorf("%s %s: got feeds\n%s\nwant\n%s", test.edition, test.resource, got, test.feeds)
		}
		if len(spec.States) != len(test.states) {
			t.Errorf("%s %s: got states %v, want %v", test.edition, test.resource, spec.States, test.states)
		}
		for state, field := range test.states {
			if spec.States[state] != field {
				t.Errorf("%s %s: got %s by %q, want %q", test.edition, test.resource, state, spec.States[state], field)
			}
		}
	}
}

// What is polled without being asked for leaves more than half of Cliniko's 200 requests a minute: see Catalogue.
func TestDefaultSchedulesLeaveRoom(t *testing.T) {
	const practitioners, patients = 10, 10_000
	for _, edition := range editions {
		sum := 0.0
		for _, spec := range schemas.Catalogue(edition) {
			if spec.Off {
				continue
			}
			requests := 1.0
			switch spec.Parent {
			case "practitioners":
				requests = practitioners
			case "patients":
				requests = patients
			}
			sum += requests * perMinute(t, spec.Schedule)
		}
		if sum > 90 {
			t.Errorf("%s: got %.2f requests a minute, more than 90", edition, sum)
		}
	}
}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// perMinute is how often a schedule fires, taken over a day.
func perMinute(t *testing.T, spec string) float64 {
	t.Helper()
	schedule, err := parser.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2027, 3, 27, 0, 0, 0, 0, time.UTC)
	times := 0
	for at := schedule.Next(start); !at.After(start.Add(24 * time.Hour)); at = schedule.Next(at) {
		times++
	}
	return float64(times) / (24 * 60)
}
