package diff_test

import (
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A background job touches a record moments after it was made, so that created_at and updated_at are equal or not by
// chance. It is created once, whichever of the two is met.
func TestARecordThatIsTouchedAfterItWasMadeIsCreatedOnce(t *testing.T) {
	for name, rows := range map[string][]schemas.Record{
		"met before the touch":    {row("2", 5, 5, "Bo"), row("2", 5, 6, "Bo")},
		"met after it":            {row("2", 5, 6, "Bo"), row("2", 5, 6, "Bo")},
		"touched again and again": {row("2", 5, 5, "Bo"), row("2", 5, 6, "Bo"), row("2", 5, 9, "Bo")},
		"both in one second":      {row("2", 5, 5, "Bo"), row("2", 5, 5, "Bo")},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, opening(0))
			for _, r := range rows {
				b.accept(t, live(9, r))
			}
			b.wantTold(t, "created 2#1")
		})
	}
}

// Ids were numbers until they were texts, on every row from one day to the next, and no stamp moved: that is no change of
// any record.
func TestIDsThatAreTextsFromOneDayOnAreNoChange(t *testing.T) {
	number := row("7", -500, 0, "Ann")
	number.Raw = []byte(strings.Replace(string(number.Raw), `"id": "7"`, `"id": 7`, 1))
	b := newBench(t)
	b.accept(t, opening(0, number), live(0, row("7", -500, 0, "Ann")), live(0, number))
	b.wantTold(t)
	b.accept(t, live(5, row("7", -500, 5, "Anna")))
	b.wantTold(t, "updated 7#1 name")
}

// A time that is not set is null in one answer and an empty text in another. Neither is a state.
func TestAnEmptyTimeIsNoState(t *testing.T) {
	blank := in("1", -500, 5, "Ann", nil)
	blank.Raw = []byte(strings.ReplaceAll(string(blank.Raw), "null", `""`))
	b := newBench(t)
	b.accept(t, opening(0, in("1", -500, -400, "Ann", nil)), live(5, blank))
	for _, told := range b.told() {
		if !strings.HasPrefix(told, "updated ") {
			t.Errorf("told %q, want no change of state", told)
		}
	}
	b = newBench(t)
	b.accept(t, opening(0), live(6, func() schemas.Record { r := blank; r.CreatedAt = at(6); return r }()))
	b.wantTold(t, "created 1#1")
}
