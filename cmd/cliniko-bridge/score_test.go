package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A telling is what one message says of a record.
type telling struct {
	verb   schemas.Verb // "" of the naive poller, which knows none
	record []byte       // nil if it says that the record is deleted
}

// A score is what somebody who followed a clinic has got wrong. The zero value is who got nothing wrong.
type score struct {
	told  int // messages
	lost  int // changes that neither were told nor are in what was told of their record later; by reason:
	late  int // the row showed later than its stamp says
	same  int // it has the stamp of a mark: it changed again in the second that was read last
	moved int // none of these: rows moved between the pages while they were read
	// hidden are the records that are archived, cancelled or deleted and were not told to be; their last changes
	// are not among the lost.
	hidden int
	twice  int // messages that say what was said before
	idle   int // messages of a change that is none: updated_at moved alone
}

// score holds what was told against what happened. It is lenient: a change counts as lost only if no later message of
// its record has it. marks are those that the poller kept, to tell the reasons.
func (c *comparison) score(told map[key][]telling, marks map[schemas.Resource][]string) score {
	var s score
	for k, n := range c.known() {
		s.told += len(told[k])
		history := c.clinic.History(k.resource, k.id)
		last, gone := s.replay(told[k], history, n-1)
		end := history[len(history)-1]
		switch {
		case gone, sameState(history, last):
		case end.State == clinikotest.StateDeleted && last < 0: // it came and went between two looks
		case end.State != clinikotest.StateLive:
			s.hidden++
		default:
			s.miss(history, last, marks[k.resource])
		}
	}
	return s
}

// known are the records of the clinic, with how many versions each had when the day began.
func (c *comparison) known() map[key]int {
	all := map[key]int{}
	for _, r := range comparedEdits {
		for _, id := range c.clinic.AllIDs(r) {
			all[key{r, id}] = c.judge.before[key{r, id}]
		}
	}
	for _, k := range c.states.judge.keys {
		all[k] = c.states.judge.before[k]
	}
	return all
}

// replay returns the place in history of the latest version that was told, which is last if none was, and whether the
// record was told to be gone.
func (s *score) replay(told []telling, history []clinikotest.Version, last int) (latest int, gone bool) {
	for i, now := range told {
		if slices.ContainsFunc(told[:i], func(before telling) bool {
			return before.verb == now.verb && bytes.Equal(before.record, now.record)
		}) {
			s.twice++
			continue
		}
		if now.record == nil {
			gone = true
			continue
		}
		at := slices.IndexFunc(history, func(v clinikotest.Version) bool { return bytes.Equal(v.Raw, now.record) })
		if i == 0 && now.verb != schemas.Created && last >= 0 || i > 0 && now.verb != schemas.Archived && now.verb != schemas.Cancelled {
			if before := max(last, 0); at > before && len(differing(history[before].Raw, now.record)) == 0 {
				s.idle++
			}
		}
		last = max(last, at)
	}
	return last, gone
}

// sameState says that nothing of what came after last is a change.
func sameState(history []clinikotest.Version, last int) bool {
	return last >= 0 && len(differing(history[last].Raw, history[len(history)-1].Raw)) == 0
}

// miss counts the changes behind the version that was told last.
func (s *score) miss(history []clinikotest.Version, last int, marks []string) {
	for i := last + 1; i < len(history); i++ {
		v := history[i]
		if i > 0 && len(differing(history[i-1].Raw, v.Raw)) == 0 {
			continue
		}
		s.lost++
		switch {
		case v.ShownAt.After(v.UpdatedAt):
			s.late++
		case slices.Contains(marks, schemas.FormatStamp(v.UpdatedAt)):
			s.same++
		default:
			s.moved++
		}
	}
}

// table is the scores beside one another, as the README has them.
func table(naive, bridge score) string {
	var b strings.Builder
	row := func(what string, of func(score) int) {
		fmt.Fprintf(&b, "| %-62s | %6d | %6d |\n", what, of(naive), of(bridge))
	}
	fmt.Fprintf(&b, "| %-62s | %6s | %6s |\n", "", "naive", "bridge")
	row("messages", func(s score) int { return s.told })
	row("changes lost", func(s score) int { return s.lost })
	row("  because rows moved between pages", func(s score) int { return s.moved })
	row("  because the second of the mark went on", func(s score) int { return s.same })
	row("  because the row showed late", func(s score) int { return s.late })
	row("archived, cancelled or deleted, and never learnt", func(s score) int { return s.hidden })
	row("told twice", func(s score) int { return s.twice })
	row("told as changed though nothing changed but the stamp", func(s score) int { return s.idle })
	return b.String()
}
