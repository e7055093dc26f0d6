package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// startLive opens the page of an account as soon as the bridge can be asked. What it was told so far is in heard; ended gives
// all of it once the bridge has ended the page.
func startLive(t *testing.T, addr, account string) (heard *lockedBuffer, ended func() string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/live?account="+account, nil)
	if err != nil {
		t.Fatal(err)
	}
	var body io.ReadCloser
	waitFor(t, time.Minute, "that a page can be opened", func() bool {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		if resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			return false
		}
		body = resp.Body
		return true
	})
	heard = &lockedBuffer{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = body.Close() }()
		_, _ = io.Copy(heard, body) // it ends with the bridge
	}()
	return heard, func() string {
		<-done
		return heard.String()
	}
}

// frames are the data of the whole frames of a kind in what a page was told.
func frames[T any](t *testing.T, text, kind string) (list []T) {
	t.Helper()
	for frame := range strings.SplitSeq(text, "\n\n") {
		data, ok := strings.CutPrefix(frame, "event: "+kind+"\ndata: ")
		if !ok {
			continue
		}
		var value T
		if err := json.Unmarshal([]byte(data), &value); err != nil {
			continue // the last one may not be whole
		}
		list = append(list, value)
	}
	return list
}

// A page sees what a bridge does: that an account is followed, each change with its fields, what a list answers and what to do
// about it, and what the requests are spent for. A stop ends the page, and does not wait for it.
func TestThePageIsFedByTheBridge(t *testing.T) {
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 20, "contacts": 5})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := startDebugging(t, fmt.Sprintf(`
accounts:
  - {name: northside, api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, contacts]}
resources: {patients: {schedule: "@every 1s"}, contacts: {schedule: "@every 1s"}}
nats: {subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
admin: {listen: ADMIN}
`, clinic.Key(), api.URL, t.TempDir()))
	heard, ended := startLive(t, b.addr, "northside")
	detail := func(want func(live.Row) bool) func() bool {
		return func() bool {
			list := frames[live.Detail](t, heard.String(), "account")
			for _, d := range list[max(0, len(list)-1):] {
				if slices.ContainsFunc(d.Rows, want) {
					return true
				}
			}
			return false
		}
	}
	waitFor(t, time.Minute, "that the patients are known", detail(func(r live.Row) bool {
		return r.Resource == "patients" && r.State == live.StateWell && r.Tracked == 20 && r.LastPoll != "" && r.NextPoll != ""
	}))
	id := clinic.IDs("patients")[3]
	changed := clinic.EditField("patients", id)
	var told live.Told
	waitFor(t, time.Minute, "that the change is told", func() bool {
		for _, list := range frames[[]live.Told](t, heard.String(), "told") {
			for _, told = range list {
				return true
			}
		}
		return false
	})
	if told.ID != id || told.Account != "northside" || told.Verb != schemas.Updated || len(changed) == 0 || len(told.Changed) == 0 {
		t.Errorf("told %+v of %s, whose %v changed", told, id, changed)
	}
	api.Inject(clinikotest.Rule{Fault: clinikotest.Forbidden(), Resource: "contacts"})
	waitFor(t, time.Minute, "that the contacts fail, and the remedy", detail(func(r live.Row) bool {
		return r.Resource == "contacts" && r.State == live.StateFailing && len(r.Faults) > 0 && strings.Contains(r.Faults[0].Remedy, "leave contacts out")
	}))
	waitFor(t, time.Minute, "a point with the requests", func() bool {
		for _, list := range frames[[]live.Point](t, heard.String(), "points") {
			for _, p := range list {
				if p.Spent["live"] > 0 {
					return true
				}
			}
		}
		return false
	})
	b.stop()
	text := ended()
	if last := frames[live.Overview](t, text, "overview"); len(last) == 0 || last[len(last)-1].Totals.Events[schemas.Updated] != 1 {
		t.Errorf("the last overview: %+v", last)
	}
	if log := b.said(); strings.Contains(log, "were cut off") || !strings.Contains(log, "stopped") {
		t.Error("the stop had to wait for the page")
	}
}
