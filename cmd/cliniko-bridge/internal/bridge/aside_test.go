package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

// A record that cannot be handled shows in the status, by its id and the reason alone, until it has changed.
func TestWhatIsSetAsideShowsInTheStatus(t *testing.T) {
	s, js := small(t)
	b := s.bridge
	shown := func() []diff.SetAside { return b.Status().Accounts[0].Resources[0].SetAside }
	id := s.clinic.Create("patients", clinikotest.Fields{"notes": strings.Repeat("x", 2<<20)})
	within(t, time.Minute, "the record set aside", func() bool { return len(shown()) > 0 })
	got := shown()
	if len(got) != 1 || got[0].ID != id || got[0].List != "live" || got[0].Reason != "larger than the stream takes" {
		t.Errorf("got %v", got)
	}
	if r := b.Status().Accounts[0].Resources[0]; r.Name != "patients" || r.SetAsideCount != 1 {
		t.Errorf("got %d set aside of %s", r.SetAsideCount, r.Name)
	}
	s.clinic.Edit("patients", id, clinikotest.Fields{"notes": "short"})
	within(t, time.Minute, "nothing set aside", func() bool { return len(shown()) == 0 })
	s.id = id
	if told := s.told(t, js, 1); len(told) != 1 || told[0] != "created" {
		t.Errorf("told %v", told)
	}
}
