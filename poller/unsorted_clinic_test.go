package poller

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// hasty is a client with a new budget for each request.
type hasty struct {
	Source

	cfg       cliniko.Config
	transport http.RoundTripper
}

func (h *hasty) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	c, err := cliniko.New(h.cfg, h.transport, nil)
	if err != nil {
		return cliniko.Page{}, err
	}
	return c.List(ctx, q)
}

func (h *hasty) Reserve(context.Context, cliniko.Lane) error { return nil }

type stamps struct {
	UpdatedAt  string `json:"updated_at"`
	ArchivedAt string `json:"archived_at"`
}

func stampsOf(t *testing.T, raw string) (s stamps) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// A whole clinic over HTTP, hidden records among them, is read without a sort: in both editions, whether it refuses or
// ignores every sort.
func TestAClinicWithoutASortIsReadWhole(t *testing.T) {
	for _, edition := range []clinikotest.Edition{clinikotest.Edition2017, clinikotest.Edition2025} {
		for name, faults := range map[string][]clinikotest.Fault{
			"refused": {
				clinikotest.RefuseSort("updated_at"), clinikotest.RefuseSort("archived_at"),
				clinikotest.RefuseSort("deleted_at"), clinikotest.RefuseSort("id"),
			},
			"ignored": {clinikotest.IgnoreSort()},
		} {
			t.Run(string(edition)+" "+name, func(t *testing.T) {
				clock := clinikotest.NewClock(time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC))
				clinic := clinikotest.New(clinikotest.Options{
					Edition: edition, Now: clock.Now, RequestsPerMinute: -1, StableTies: true,
				})
				clinic.Populate(clinikotest.Sizes{"patients": 450})
				server := clinikotest.NewServer(clinic)
				defer server.Close()
				for _, fault := range faults {
					server.Inject(clinikotest.Rule{Fault: fault, Of: clinikotest.Lists})
				}
				ids := clinic.IDs("patients")
				for i, id := range ids {
					if i%3 == 0 {
						clinic.EditField("patients", id)
					}
					if i%4 == 0 {
						clinic.Archive("patients", id)
					}
					if i < 150 || i > 300 { // a bulk edit of 150 between
						clock.Advance(7 * time.Second)
					}
				}
				transport := cliniko.NewTransport()
				defer transport.CloseIdleConnections()
				client := &hasty{transport: transport, cfg: cliniko.Config{
					APIKey: cliniko.Secret(clinic.Key()), UserAgent: "Test (ops@clinic.example)", BaseURL: server.URL,
				}}
				spec, _ := schemas.Lookup(schemas.Edition(edition), "patients")
				s := newSink(t)
				r := newResource(&Config{
					Account: "northside", Source: client, Sink: s, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
				}, spec, staggered{every: 60})
				read := func() {
					for range 3 { // what ignores the sort is found out by its second page
						r.polls = 0
						r.poll(t.Context(), t.Context())
						r.further.Wait()
						for _, reader := range r.readers {
							for reader.baseline(t.Context(), t.Context()) {
							}
							reader.following.clear()
							reader.base.clear()
						}
					}
				}
				read()
				clock.Advance(time.Minute)
				for _, id := range ids[100:320] {
					clinic.EditField("patients", id)
				}
				ids = append(ids, clinic.Create("patients"))
				clock.Advance(10 * time.Second)
				read()
				if st := r.status(); st.Baseline != "complete" || st.LastError != "" {
					t.Fatalf("got %+v", st)
				}
				for _, id := range ids {
					got := stampsOf(t, s.seen[id])
					if hidden := clinic.State("patients", id) != clinikotest.StateLive; hidden != (got.ArchivedAt != "") {
						t.Fatalf("patient %s is archived: %v, and the sink has %+v", id, hidden, got)
					} else if want := clinic.UpdatedAt("patients", id); !hidden && got.UpdatedAt != schemas.FormatStamp(want) {
						t.Fatalf("patient %s: the sink has %+v, the clinic %s", id, got, want)
					}
				}
			})
		}
	}
}
