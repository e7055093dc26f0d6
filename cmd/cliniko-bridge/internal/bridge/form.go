package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// errForm holds a page back. Nothing is lost by it: the page is read again.
var errForm = errors.New("the records have another form than before, as if of another edition of the API: it is asked which one it is")

// A formGuard stands before the sink of an account. When an account goes over to another edition, lists that both editions
// have go on answering, with records of the other form: each would be told as updated until the change is noticed. So
// the first page whose records take the form of the other edition is held back, and those after it, until the API has
// been asked.
type formGuard struct {
	poller.Sink
	edition schemas.Edition
	doubt   func(schemas.Resource)

	mu    sync.Mutex // guards the following
	forms map[schemas.Resource]*form
}

// A form is what tells the records of one resource in the two editions apart.
type form struct {
	ours, theirs []string // the fields that one of the editions alone documents
	judged       bool     // the first record that was met looked like one of ours, so that others have to
	held         bool     // a page was held back since the API was asked last
}

func newFormGuard(sink poller.Sink, edition schemas.Edition, doubt func(schemas.Resource)) *formGuard {
	return &formGuard{Sink: sink, edition: edition, doubt: doubt, forms: make(map[schemas.Resource]*form)}
}

// Accept is poller.Sink's.
func (g *formGuard) Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	if len(page.Records) > 0 && !g.passes(page.Resource, page.Records[0].Raw) {
		g.doubt(page.Resource)
		return schemas.Outcome{}, errForm
	}
	return g.Sink.Accept(ctx, page)
}

// release lets the forms pass that were held back: the API was asked, and told of no other edition. They are not judged
// any more.
func (g *formGuard) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.forms {
		if f.held {
			f.judged, f.held = false, false
		}
	}
}

// passes says whether a record has the form that is usual. One answer is of one edition, so that one record of it says
// enough. What is usual is seen from the first: an account need not be as its edition is documented.
func (g *formGuard) passes(resource schemas.Resource, raw []byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.forms[resource]
	if f == nil {
		f = newForm(g.edition, resource)
		f.judged = f.fits(g.edition, raw)
		g.forms[resource] = f
		return true
	}
	f.held = f.held || f.judged && !f.fits(g.edition, raw)
	return !f.held
}

func newForm(edition schemas.Edition, resource schemas.Resource) *form {
	other := schemas.Edition2025
	if edition == other {
		other = schemas.Edition2017
	}
	a, _ := schemas.Lookup(edition, resource)
	b, _ := schemas.Lookup(other, resource)
	return &form{ours: without(a.Fields, b.Fields), theirs: without(b.Fields, a.Fields)}
}

// without are the names in a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

// fits says whether a record looks like one of edition rather than the other: by the fields that it has, and by its id,
// a number in 2017 and a string since.
func (f *form) fits(edition schemas.Edition, raw []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return true // it is for others to say what is wrong with it
	}
	score := 0
	for _, name := range f.ours {
		if _, has := fields[name]; has {
			score++
		}
	}
	for _, name := range f.theirs {
		if _, has := fields[name]; has {
			score--
		}
	}
	if id := fields["id"]; len(id) > 0 {
		if isText := id[0] == '"'; isText == (edition == schemas.Edition2025) {
			score++
		} else {
			score--
		}
	}
	return score >= 0
}
