package clinikotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quirks are what is known of the API that a poller has to survive, each with the option, act, fault or test by which
// this package shows it, or with why it does not.
var quirks = []struct{ what, shownBy, orWhyNot string }{
	{"nothing is pushed; polling is all there is, within a limit", "TestTheRateIsLimited", ""},
	{"a new record shows under a filter on updated_at", "TestFiltersSelectAsTheDocsSay", ""},
	{"a record is touched moments after it is made", "Touch", ""},
	{"updated_at moves for any reason and does not say which", "TestTouchMovesTheStampAlone", ""},
	{"computed values change while updated_at stands still", "ChangeSilently", ""},
	{"archiving and cancelling may leave updated_at alone", "TestEveryStateHidesAndLetsGo", ""},
	{"several changes share one second", "TestDaysHoldWhatIsHardToWatch", ""},
	{"a row shows later than its stamp says", "TestLateChangesShowLater", ""},
	{"unless asked otherwise, a list is sorted by created_at", "TestSortingFollowsTheColumnsAndTheOrder", ""},
	{"rows change place while they are being read", "Drift", ""},
	{"an import gives thousands of rows one stamp", "TestImportsHaveOneStamp", ""},
	{"a row comes back on two pages", "TestTiesAreShuffled", ""},
	{"the plain list never shows the archived, whatever the filter", "TestFiltersLiftWhatIsHidden", ""},
	{"nor the cancelled and the inactive", "TestSideListsShowWhatIsHidden", ""},
	{"lists of the deleted take deleted_at and id alone", "TestSideListsTakeTheirOwnFilters", ""},
	{"their rows may be stubs", "TestStubsAreWhatTheOptionsSay", ""},
	{"what people call deleting is archiving", "Archive", ""},
	{"the old side lists are gone", "TestOldPathsAreGone", ""},
	{"some records have no column that tells of their state", "TestStatesWithoutAColumn", ""},
	{"absence has many causes, and total_entries may be wrong", "OffTotal", ""},
	{"erasing a patient takes hundreds of rows along", "TestErasedPatientsTakeEverythingAlong", ""},
	{"archiving a patient hides none of its children", "TestArchivedPatientsKeepTheirChildren", ""},
	{"archiving a child leaves its parent's stamp", "TestActsLeaveTheNeighboursAlone", ""},
	{"what is hidden comes back", "TestEveryStateHidesAndLetsGo", ""},
	{"a merge archives one patient and moves its children", "TestMergedPatientsLeaveTheirChildren", ""},
	{"a record is in the plain list and among the deleted at once", "ShowHidden", ""},
	{"what is gone answers 404 while links still lead to it", "TestLinksOutliveTheirRecords", ""},
	{"a range on a state's column shows that state alone", "TestFiltersLiftWhatIsHidden", ""},
	{"ids are numbers or strings, short or long, and changed", "QuotedIDs", ""},
	{"relations are links, and may be null or missing", "TestEveryDocumentedFieldIsServed", ""},
	{"links are wrong: host, scheme, path, resource", "OtherSelf", ""},
	{"page 1 comes under every number", "RepeatPages", ""},
	{"who follows no link gets 50 rows", "TestPagesHoldFiftyRowsAndAHundredAtMost", ""},
	{"one row is in several lists under one id", "TestBookingsAreAUnion", ""},
	{"an invoice item is loosely linked to what was sold", "", "a client sees two links, as everywhere"},
	{"a referral source had no id", "TestReferralSourcesWereKnownByTheirPatient", ""},
	{"fields come and go on every row at once", "TestDroppedFieldsMoveNoStamp", ""},
	{"null and the empty text change places", "BlankNulls", ""},
	{"which fields there are depends on the role", "TestRolesHideRowsAndFields", ""},
	{"the spelling of a row is not promised", "TestRespelledRowsMeanTheSame", ""},
	{"some resources are refused to some roles", "TestRolesAreRefused", ""},
	{"rows vanish when a role changes", "SetRole", ""},
	{"403 comes by mistake", "Forbidden", ""},
	{"a long query is cut after a while", "TooLong", ""},
	{"a list fails while its records answer", "Poison", ""},
	{"502, 504 and timeouts come in bursts", "Slow", ""},
	{"response headers broke a strict parser", "", "what was wrong with them is not known, and net/http writes sound ones"},
	{"some lists are below a parent alone, the inactive too", "TestInactiveParentsKeepTheirLists", ""},
	{"free times move with the clock", "TestFreeTimesComeAndGo", ""},
	{"people who are no practitioners any more are still listed", "", "nothing tells such a row from the others"},
	{"what is documented does not work", "RefuseFilter", ""},
	{"payments show as a change of an invoice alone", "EditField", ""},
	{"rows hold what must not be logged", "", "a matter of the client's logs; everybody here is invented"},
}

// The names in the table are there.
func TestEveryQuirkIsShown(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, q := range quirks {
		if (q.shownBy == "") == (q.orWhyNot == "") {
			t.Errorf("%s: either it is shown, or there is a reason", q.what)
		}
		function := strings.Contains(source.String(), "\nfunc "+q.shownBy+"(")
		method := strings.Contains(source.String(), ") "+q.shownBy+"(")
		if q.shownBy != "" && !function && !method {
			t.Errorf("%s: there is no %s", q.what, q.shownBy)
		}
	}
}

// An act on a record moves the stamp of no record that is related to it.
func TestActsLeaveTheNeighboursAlone(t *testing.T) {
	_, c, clock := open(t, Options{Edition: Edition2025})
	c.Create("appointments")
	attendee := c.Create("attendees")
	booking, _ := c.Related("attendees", attendee, "booking")
	clock.Advance(time.Minute)
	c.Archive("attendees", attendee)
	if got := c.UpdatedAt("bookings", booking); !got.Equal(start) {
		t.Errorf("the booking's stamp is %v", got)
	}
}

// A record that is gone answers 404, and the records that point to it do so as before.
func TestLinksOutliveTheirRecords(t *testing.T) {
	s, c, _ := open(t, Options{})
	kind := c.Create("appointment_types")
	appointment := c.Create("appointments", Fields{"appointment_type": RefTo("appointment_types", kind)})
	c.Remove("appointment_types", kind)
	if still, _ := c.Related("appointments", appointment, "appointment_type"); still != kind {
		t.Errorf("it points to %s", still)
	}
	if resp, _ := get(t, s, "/appointment_types/"+string(kind)); resp.StatusCode != 404 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// The reference numbers of an inactive practitioner are still listed below it, and in 2017 nowhere else.
func TestInactiveParentsKeepTheirLists(t *testing.T) {
	s, c, _ := open(t, Options{})
	practitioner := c.Create("practitioners")
	number := c.Create("practitioner_reference_numbers", Fields{"practitioner": RefTo("practitioners", practitioner)})
	c.Deactivate(practitioner)
	path := "/practitioners/" + string(practitioner) + "/practitioner_reference_numbers"
	if got := idsAt(t, s, path, "practitioner_reference_numbers"); got != string(number) {
		t.Errorf("got %s, want %s", got, number)
	}
	if resp, _ := get(t, s, "/practitioner_reference_numbers"); resp.StatusCode != 404 {
		t.Errorf("all of them: got %d", resp.StatusCode)
	}
}
