package diff_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// drifting is a bench of the catalogue's own resources, whose log and counters are watched.
type drifting struct {
	*bench
	logs     *observer.ObservedLogs
	registry *prometheus.Registry
}

func newDrifting(t *testing.T, edition schemas.Edition) *drifting {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	d := &drifting{bench: newBench(t), logs: logs, registry: prometheus.NewRegistry()}
	d.log, d.metrics = zap.New(core), diff.NewMetrics(d.registry)
	d.specs = func(name schemas.Resource) schemas.Spec {
		spec, _ := schemas.Lookup(edition, name)
		return spec
	}
	d.restart(t)
	return d
}

// changes are the changes of fields that were logged, in order: "retyped patients.notes".
func (d *drifting) changes() []string {
	var out []string
	for _, e := range d.logs.FilterMessage("a field of the API is not as documented").All() {
		m := e.ContextMap()
		out = append(out, fmt.Sprintf("%s %s.%s", m["change"], m["resource"], m["field"]))
	}
	return out
}

// counted is what the metric says, by resource and change.
func (d *drifting) counted(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := d.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "cliniko_bridge_api_field_changes_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			out[labels["resource"]+" "+labels["change"]] = m.GetCounter().GetValue()
		}
	}
	return out
}

func (d *drifting) want(t *testing.T, want ...string) {
	t.Helper()
	if got := d.changes(); !slices.Equal(got, want) {
		t.Errorf("logged:\n  got  %q\n  want %q", got, want)
	}
	counts := map[string]float64{}
	for _, w := range want {
		change, field, _ := strings.Cut(w, " ")
		resource, _, _ := strings.Cut(field, ".")
		counts[resource+" "+change]++
	}
	if got := d.counted(t); !maps.Equal(got, counts) {
		t.Errorf("counted: got %v, want %v", got, counts)
	}
}

type fields = map[string]any

// documented is an example record of the catalogue with some of its fields set, or, if the value is gone, left out.
func documented(t *testing.T, edition schemas.Edition, resource, id string, updated int, edit fields) schemas.Record {
	t.Helper()
	text, ok := schemas.Example(edition, schemas.Resource(resource))
	if !ok {
		t.Fatalf("there is no example of %s", resource)
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var record fields
	if err := dec.Decode(&record); err != nil {
		t.Fatal(err)
	}
	rec := schemas.Record{ID: schemas.ID(id), CreatedAt: at(-500), UpdatedAt: at(updated), Stamp: at(updated)}
	for name, value := range map[string]any{"id": id, "created_at": schemas.FormatStamp(at(-500)), "updated_at": schemas.FormatStamp(at(updated))} {
		if _, has := record[name]; has {
			record[name] = value
		}
	}
	for name, value := range edit {
		if record[name] = value; value == left {
			delete(record, name)
		}
	}
	raw, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	rec.Raw = raw
	return rec
}

// left, as a value, leaves a field out.
const left = "left out"

func alert(t *testing.T, id string, updated int, edit fields) schemas.Record {
	t.Helper()
	return documented(t, schemas.Edition2025, "medical_alerts", id, updated, edit)
}

func of(resource schemas.Resource, p schemas.Page) schemas.Page {
	p.Resource = resource
	return p
}

// A field that comes, goes or takes another type is told once by its name, whichever record, account or process meets
// it again, and no event waits for it.
func TestAFieldThatIsNotAsDocumentedIsToldOnceAndStopsNothing(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	page := func(n int, edit fields) schemas.Page {
		return of(alerts, live(n, alert(t, "1", n, edit), alert(t, "2", n, edit)))
	}
	d.accept(t, of(alerts, opening(0, alert(t, "1", -400, nil), alert(t, "2", -400, nil))))
	d.want(t)

	drifted := fields{"severity": "Jo's own", "archived_at": left, "name": 17}
	d.accept(t, page(1, drifted))
	want := []string{"appeared medical_alerts.severity", "vanished medical_alerts.archived_at", "retyped medical_alerts.name"}
	d.want(t, want...)
	d.wantTold(t, "updated 1#1 name", "updated 2#1 name")

	d.accept(t, page(2, nil), page(3, drifted), page(4, fields{"severity": nil, "archived_at": left, "name": []int{}}))
	d.restart(t)
	d.accept(t, page(5, drifted))
	d.want(t, want...)
	if got := len(d.told()); got != 10 {
		t.Errorf("told %d events, want 10: %q", got, d.told())
	}
	for _, e := range d.logs.All() {
		if strings.Contains(fmt.Sprint(e.ContextMap()), "Jo") {
			t.Errorf("the log holds a value: %v", e.ContextMap())
		}
	}

	// The same field of another resource is another field.
	d.accept(t, of("patients", opening(0, documented(t, schemas.Edition2025, "patients", "1", 0, fields{"severity": 1}))))
	d.want(t, append(want, "appeared patients.severity")...)
}

// Nothing of what the vendor documents is news: null is of every type, and each edition has its own.
func TestARecordAsDocumentedIsNoNews(t *testing.T) {
	for _, edition := range []schemas.Edition{schemas.Edition2017, schemas.Edition2025} {
		for _, spec := range schemas.Catalogue(edition) {
			d := newDrifting(t, edition)
			rec := documented(t, edition, string(spec.Resource), "1", 0, nil)
			empty := fields{}
			for _, name := range spec.Fields {
				if name != "id" && name != "created_at" && name != "updated_at" {
					empty[name] = nil
				}
			}
			d.accept(t, of(spec.Resource, opening(0, rec)),
				of(spec.Resource, live(1, documented(t, edition, string(spec.Resource), "1", 1, empty))))
			d.want(t)
		}
	}
}

// A link to nothing is null or absent, as the API likes.
func TestALinkThatIsAbsentIsNoNews(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	d.accept(t, of(alerts, opening(0, alert(t, "1", 0, fields{"patient": left}))))
	d.want(t)
}

// What is left of a deleted record has lost no field. A resource without stamps has whole records all the same.
func TestAStubHasLostNoField(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	link := stub("3", 5)
	link.Raw = []byte(`{"deleted_at":"2027-03-27T10:00:05Z","links":{"self":"https://api.au1.cliniko.com/v1/medical_alerts/3"}}`)
	d.accept(t, of(alerts, opening(0, alert(t, "1", 0, nil))), of(alerts, feed("deleted", 5, stub("1", 5), stub("2", 5), link)))
	d.want(t)
	d.accept(t, of(alerts, live(6, alert(t, "4", 6, fields{"archived_at": left}))))
	d.want(t, "vanished medical_alerts.archived_at")

	settings := documented(t, schemas.Edition2025, "settings", "settings", 0, fields{"sms": left})
	settings.UpdatedAt = schemas.Record{}.UpdatedAt
	d.accept(t, of("settings", opening(0, settings)))
	d.want(t, "vanished medical_alerts.archived_at", "vanished settings.sms")
}

// A type is what JSON tells apart, and whole numbers from others.
func TestTypesThatAreNews(t *testing.T) {
	for _, c := range []struct {
		field string // of 2025
		value string
		news  bool
	}{
		{"invoice_items.id", `7`, false}, // once documented so, and read either way
		{"invoice_items.code", `500`, true},
		{"invoice_items.code", `""`, false},
		{"invoice_items.net_price", `"1e3"`, false},
		{"invoice_items.net_price", `95.5`, true},
		{"invoice_items.total_including_tax", `95`, false},
		{"invoice_items.total_including_tax", `95.25`, false},
		{"invoice_items.total_including_tax", `"95.25"`, true},
		{"invoice_items.archived_at", `""`, false},
		{"invoice_items.archived_at", `true`, true},
		{"invoice_items.is_monetary_discount", `"false"`, true},
		{"invoice_items.is_monetary_discount", `0`, true},
		{"invoice_items.is_monetary_discount", `true`, false},
		{"invoice_items.product", `{}`, false},
		{"invoice_items.product", `[]`, true},
		{"invoices.number", `1200`, false},
		{"invoices.number", `12.00e2`, false},
		{"invoices.number", `0.0`, false},
		{"invoices.number", `-3`, false},
		{"invoices.number", `0.5`, true},
		{"invoices.number", `1e-3`, true},
		{"invoices.number", `1e-99999999999`, true},
		{"patients.patient_phone_numbers", `[]`, false},
		{"patients.patient_phone_numbers", `{}`, true},
		{"patients.patient_phone_numbers", `"0355"`, true},
	} {
		t.Run(c.field+" "+c.value, func(t *testing.T) {
			d := newDrifting(t, schemas.Edition2025)
			resource, field, _ := strings.Cut(c.field, ".")
			d.accept(t, of(schemas.Resource(resource),
				opening(0, documented(t, schemas.Edition2025, resource, "1", 0, fields{field: json.RawMessage(c.value)}))))
			if c.news {
				d.want(t, "retyped "+c.field)
			} else {
				d.want(t)
			}
		})
	}
}

// What stands where a name is due may be somebody's data: it is cut, and quoted so that it cannot pass for anything else.
func TestAnOddNameIsCutAndQuoted(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	d.accept(t, of(alerts, opening(0, alert(t, "1", 0, fields{strings.Repeat("é", 500): 1, "a b\nlevel=error": 2, "": 3, "newField_2": 4}))))
	d.want(t, "appeared medical_alerts.", `appeared medical_alerts."a b\nlevel=error"`, "appeared medical_alerts.newField_2",
		`appeared medical_alerts."`+strings.Repeat(`\u00e9`, 32)+`"...`)
}

// Ever new fields are not remembered, or logged, for ever.
func TestEverNewFieldsEndInSilence(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	many := fields{}
	for i := range 1500 {
		many[fmt.Sprintf("new_%d", i)] = 1
	}
	d.accept(t, of(alerts, opening(0, alert(t, "1", 0, many))))
	if got := len(d.changes()); got != 1000 {
		t.Errorf("logged %d fields, want 1000", got)
	}
	d.wantTold(t)
	d.accept(t, of(alerts, live(5, alert(t, "1", 5, fields{"name": "Latex"}))))
	if got := d.told(); len(got) != 1 {
		t.Errorf("told %q", got)
	}
}

// What is read back from the stream is of another day, and perhaps of another edition: no news of the API.
func TestEventsThatAreReadBackTellNothingOfTheAPI(t *testing.T) {
	const alerts = schemas.Resource("medical_alerts")
	d := newDrifting(t, schemas.Edition2025)
	d.accept(t, of(alerts, opening(0)), of(alerts, live(5, alert(t, "1", 5, nil))))
	e := &d.stream.messages[0].event
	e.Record = alert(t, "1", 5, fields{"name": 17, "archived_at": left, "severity": 2}).Raw
	d.store.Flush()
	d.restart(t)
	if _, err := d.differ.Standing(t.Context(), alerts); err != nil {
		t.Fatal(err)
	}
	d.want(t)
	d.accept(t, of(alerts, live(6, alert(t, "1", 6, fields{"name": 17, "archived_at": left, "severity": 2}))))
	d.want(t, "appeared medical_alerts.severity", "vanished medical_alerts.archived_at", "retyped medical_alerts.name")
}
