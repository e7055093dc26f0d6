package clinikotest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

// A test owns the clinic's clock, changes a record, and asks over HTTP what is new.
func Example() {
	clock := clinikotest.NewClock(time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC))
	clinic := clinikotest.New(clinikotest.Options{Now: clock.Now})
	clinic.Populate(clinikotest.SmallClinic())
	server := clinikotest.NewServer(clinic)
	defer server.Close()

	patient := clinic.IDs("patients")[0]
	clock.Advance(3 * time.Second)
	changed := clinic.Edit("patients", patient, clinikotest.Fields{"occupation": "Beekeeper of the year"})

	ask := url.Values{"q[]": {"updated_at:>=2027-03-27T10:00:00Z"}, "sort": {"updated_at"}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/patients?"+ask.Encode(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	req.SetBasicAuth(clinic.Key(), "")
	req.Header.Set("User-Agent", "Example (ops@example.com)")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	var page struct {
		Total    int `json:"total_entries"`
		Patients []struct {
			Occupation string
			UpdatedAt  string `json:"updated_at"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(changed, page.Total, page.Patients)
	// Output: [occupation] 1 [{Beekeeper of the year 2027-03-27T10:00:03Z}]
}

// A rule says which requests a fault strikes.
func ExampleHandler_Inject() {
	server := clinikotest.NewServer(clinikotest.New(clinikotest.Options{}))
	defer server.Close()

	// The next three lists of patients answer 503, and one answer in ten of any kind comes slowly.
	server.Inject(clinikotest.Rule{Fault: clinikotest.Status(503), Resource: "patients", Of: clinikotest.Lists, Next: 3})
	server.Inject(clinikotest.Rule{Fault: clinikotest.Slow(time.Second), Chance: 0.1})
	// While the second page is being read, somebody registers.
	server.Inject(clinikotest.Rule{
		Fault: clinikotest.Drift(func(c *clinikotest.Clinic) { c.Create("patients") }), Resource: "patients", Skip: 1, Next: 1,
	})
}

// What happens to a record, a test asks of the clinic, whatever a list shows.
func ExampleClinic_Archive() {
	clinic := clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025})
	patient := clinic.Create("patients")
	clinic.Archive("patients", patient)
	_, listed := clinic.Record("patients", patient)
	fmt.Println(clinic.State("patients", patient), listed)
	clinic.Unarchive("patients", patient)
	clinic.Erase(patient)
	fmt.Println(clinic.State("patients", patient))
	// Output:
	// archived false
	// gone
}
