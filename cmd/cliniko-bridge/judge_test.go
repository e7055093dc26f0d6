package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A judge holds what a stream tells against what happened in a clinic. It knows the clinic's history and nothing of
// how the bridge works.
type judge struct {
	clinic    *clinikotest.Clinic
	resources []schemas.Resource
	// before is how many versions each record had when the bridge had taken its first look: it existed then.
	before map[key]int
	// flushed says that the store was lost: of a record without an event it is not known any more what it was like.
	flushed bool
}

type key struct {
	resource schemas.Resource
	id       schemas.ID
}

func newJudge(clinic *clinikotest.Clinic, resources []schemas.Resource) *judge {
	j := &judge{clinic: clinic, resources: resources, before: make(map[key]int)}
	for _, r := range resources {
		for _, id := range clinic.IDs(r) {
			j.before[key{r, id}] = len(clinic.History(r, id))
		}
	}
	return j
}

func events(tb testing.TB, js jetstream.JetStream, stream string) map[key][]schemas.Event {
	tb.Helper()
	return eventsOn(tb, js, stream, "cliniko.>")
}

// eventsOn are the events of stream whose subjects match filter, which are to be of one account.
func eventsOn(tb testing.TB, js jetstream.JetStream, stream, filter string) map[key][]schemas.Event {
	tb.Helper()
	ids := make(map[string]bool)
	out := make(map[key][]schemas.Event)
	for _, m := range publishertest.Collect(tb, js, stream, filter) {
		e, err := schemas.ParseEvent(m.Body)
		if err != nil {
			tb.Fatalf("stream sequence %d: %v", m.Sequence, err)
		}
		if ids[e.ID] {
			tb.Errorf("the id %s stands twice in the stream", e.ID)
		}
		ids[e.ID] = true
		k := key{e.Resource, e.RecordID}
		out[k] = append(out[k], e)
	}
	return out
}

// caughtUp says whether the last event of every record is its last state.
func (j *judge) caughtUp(told map[key][]schemas.Event) bool {
	for _, r := range j.resources {
		for _, id := range j.clinic.IDs(r) {
			k := key{r, id}
			now, _ := j.clinic.Record(r, id)
			last := j.known(k)
			if n := len(told[k]); n > 0 {
				last = told[k][n-1].Record
			}
			if last == nil || len(differing(last, now)) > 0 {
				return false
			}
		}
	}
	return true
}

// known is the version of a record that the bridge met at its first look, nil if there was none.
func (j *judge) known(k key) []byte {
	if n := j.before[k]; n > 0 {
		return j.clinic.History(k.resource, k.id)[n-1].Raw
	}
	return nil
}

// verdict fails the test for every record of which anything else was told than what happened. It returns how many
// events there were.
func (j *judge) verdict(tb testing.TB, told map[key][]schemas.Event) int {
	tb.Helper()
	total := 0
	for _, r := range j.resources {
		for _, id := range j.clinic.IDs(r) {
			k := key{r, id}
			total += len(told[k])
			for _, fault := range j.record(k, told[k]) {
				tb.Errorf("%s/%s: %s", r, id, fault)
			}
			delete(told, k)
		}
	}
	for k := range told {
		tb.Errorf("%s/%s: %d events of a record that there is not", k.resource, k.id, len(told[k]))
	}
	return total
}

func (j *judge) record(k key, told []schemas.Event) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	history := j.clinic.History(k.resource, k.id)
	previous, at, sequence := j.known(k), j.before[k], uint64(0)
	for i, e := range told {
		if e.Sequence <= sequence {
			fault("event %d has sequence %d behind %d", i, e.Sequence, sequence)
		}
		sequence = e.Sequence
		if want := i == 0 && previous == nil; (e.Verb == schemas.Created) != want {
			fault("event %d is %s; created: %v", i, e.Verb, want)
		}
		version := slices.IndexFunc(history[at:], func(v clinikotest.Version) bool { return bytes.Equal(v.Raw, e.Record) })
		if version < 0 {
			fault("event %d tells of a state that there was not, or not any more", i)
			continue
		}
		at += version + 1
		if stamp := history[at-1].UpdatedAt; !e.Time.Equal(stamp) {
			fault("event %d has time %s, the record %s", i, e.Time.Format(time.RFC3339), stamp.Format(time.RFC3339))
		}
		if previous != nil && (!j.flushed || i > 0 || e.Changed != nil) {
			want := differing(previous, e.Record)
			if len(want) == 0 {
				fault("event %d tells of no change", i)
			}
			if !slices.Equal(e.Changed, want) {
				fault("event %d: changed is %v, want %v", i, e.Changed, want)
			}
		}
		previous = e.Record
	}
	now, _ := j.clinic.Record(k.resource, k.id)
	switch {
	case previous == nil:
		fault("nothing was told of it")
	case len(told) > 0 && len(differing(previous, now)) == 0 && !bytes.Equal(previous, now) && !stampAlone(previous, now):
		fault("the last event is not its last state, byte for byte")
	case len(differing(previous, now)) > 0:
		fault("its last change was not told: %v", differing(previous, now))
	}
	return faults
}

// differing are the top-level fields that two versions of a record have unequal, updated_at left out, sorted.
func differing(a, b []byte) []string {
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return []string{"(not an object)"}
	}
	var out []string
	for name, v := range x {
		if w, ok := y[name]; name != "updated_at" && (!ok || !bytes.Equal(v, w)) {
			out = append(out, name)
		}
	}
	for name := range y {
		if _, ok := x[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// stampAlone says that b is a but for a later updated_at: the record was touched since, which is no event.
func stampAlone(a, b []byte) bool {
	blank := func(raw []byte) string {
		var v struct {
			UpdatedAt string `json:"updated_at"`
		}
		_ = json.Unmarshal(raw, &v)
		return string(bytes.Replace(raw, []byte(v.UpdatedAt), nil, 1))
	}
	return len(a) == len(b) && len(blank(a)) == len(blank(b))
}
