package poller

import (
	"fmt"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// notes are what an operator should know of one feed: plain sentences, "" where there is nothing to say. Guarded by
// resource.mu.
type notes struct {
	following string // why the feed is not read; of the resource's own list, Status.LastError tells that
	baseline  string // why its baseline is not read
	filter    string // what is not seen of it
	sort      string // in which other way it is read
}

// note replaces one of the notes of the feed.
func (r *reader) note(which *string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*which = text
}

// noteEnd takes note of how a reading ended: of the feed, or of its baseline if b is that of the baseline. e is the answer of
// the API, nil if it was not the API that failed.
func (r *reader) noteEnd(b *backoff, err error, e *cliniko.Error) {
	which, what := &r.notes.following, r.listName()
	if b == &r.base {
		which, what = &r.notes.baseline, "the baseline: "+what
	}
	if err == nil || r.main(b) {
		r.note(which, "")
		return
	}
	how := fmt.Sprintf("does not come through (%v)", err)
	if e != nil && e.Status >= 300 {
		how = fmt.Sprintf("answers %d", e.Status)
	}
	again := "it is tried again"
	if rests(e) {
		again = fmt.Sprintf("it is asked again every %.0f minutes", asideWait.Minutes())
	}
	r.note(which, fmt.Sprintf("%s %s: %s", what, how, again))
}

// main says that a reading is what Status.LastError tells of: the following of the resource's own list, and where that is
// walked parent by parent, the first walk, too.
func (r *reader) main(b *backoff) bool { return r.live() && (b == &r.following || r.walks()) }

func (r *reader) noteFilter() {
	r.note(&r.notes.filter, fmt.Sprintf("%s refuses a filter (%s): what it hides is not seen this way",
		r.listName(), strings.Join(r.feed.Filters, ", ")))
}

// noteSort says that the list does this or that, and not the sort.
func (r *reader) noteSort(does string) {
	r.note(&r.notes.sort, fmt.Sprintf("%s %s by %s: it is read window by window", r.listName(), does, r.feed.Stamp))
}

// listName is the feed's list in a sentence.
func (r *reader) listName() string {
	if r.live() {
		return "the list"
	}
	return "the list of " + r.feed.Name + " records"
}

// told are the notes of all feeds. The caller holds mu.
func (r *resource) told() []string {
	var all []string
	for _, reader := range r.readers {
		n := &reader.notes
		for _, text := range []string{n.following, n.baseline, n.filter, n.sort} {
			if text != "" {
				all = append(all, text)
			}
		}
	}
	return all
}
