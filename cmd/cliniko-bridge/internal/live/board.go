package live

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sync"
)

// A board is what the last look at the accounts has found, as frames for all pages together.
type board struct {
	mu    sync.Mutex // guards the following
	look  int        // the number of the last look; 0 before the first
	head  Overview   // of that, without accounts
	lines []Line     // all, by name
	// told is how each line was told last, in a frame of changes, and in which look.
	told    map[string]toldLine
	changes []byte // a frame of what this look changed
	whole   []byte // a frame of everything, once a page has asked for it in this look
	details map[string]*detail
}

type toldLine struct {
	Line
	look int
}

// A detail is what is known of an account that pages have asked for.
type detail struct {
	pages   int    // which show it
	frame   []byte // nil before the first look
	version int    // of the frame
}

// movedAtOnce is how many lines a frame of changes has that say nothing but that time has passed: a poll came, requests left the
// window. Of a thousand accounts each is told of in its turn, every ten looks.
const movedAtOnce = 100

func newBoard() *board {
	return &board{told: make(map[string]toldLine), details: make(map[string]*detail)}
}

// put takes up a look. lines are the board's from then on.
func (b *board) put(head Overview, lines []Line) {
	slices.SortFunc(lines, func(x, y Line) int { return cmp.Compare(x.Name, y.Name) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.look++
	b.head, b.lines, b.whole = head, lines, nil
	news := head
	news.Accounts = b.news()
	b.changes = frame("overview", &news)
}

// news are the lines that are not as they were told, and some of those where only time has passed: those whose turn was longest
// ago. The caller holds mu.
func (b *board) news() []Line {
	list := []Line{} // [] in JSON
	var moved []Line
	for _, line := range b.lines {
		was, ok := b.told[line.Name]
		switch {
		case !ok || !steady(&was.Line, &line):
			list = append(list, line)
		case !still(&was.Line, &line):
			moved = append(moved, line)
		}
	}
	slices.SortStableFunc(moved, func(x, y Line) int { return b.told[x.Name].look - b.told[y.Name].look })
	list = append(list, moved[:min(len(moved), movedAtOnce)]...)
	for _, line := range list {
		b.told[line.Name] = toldLine{line, b.look}
	}
	slices.SortFunc(list, func(x, y Line) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

// steady says that two lines are alike in all that does not move with the clock.
func steady(x, y *Line) bool {
	return x.State == y.State && x.Holder == y.Holder && x.Resources == y.Resources && x.Tracked == y.Tracked && x.Faults == y.Faults &&
		x.BaselineLeft == y.BaselineLeft && maps.Equal(x.Events, y.Events)
}

// still says that they are alike in what moves with the clock.
func still(x, y *Line) bool {
	return x.Lag == y.Lag && x.BaselineSeconds == y.BaselineSeconds && x.Budget.PerMinute == y.Budget.PerMinute &&
		maps.Equal(x.Budget.Spent, y.Budget.Spent)
}

// overview is the frame for a page that has seen the look number seen, 0 for none, and the number that it has seen with it. It is
// whole if the page has missed a look, and nil if there is nothing new.
func (b *board) overview(seen int) (text []byte, look int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case seen == b.look:
		return nil, seen
	case seen > 0 && seen == b.look-1:
		return b.changes, b.look
	case b.whole == nil:
		all := b.head
		all.Accounts = b.lines
		b.whole = frame("overview", &all)
	}
	return b.whole, b.look
}

// wanted are the accounts of which pages show the detail.
func (b *board) wanted() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make(map[string]bool, len(b.details))
	for name := range b.details {
		names[name] = true
	}
	return names
}

// want says that one page more shows an account, or with -1 one less.
func (b *board) want(account string, pages int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.details[account]
	if d == nil {
		d = &detail{}
		b.details[account] = d
	}
	if d.pages += pages; d.pages == 0 {
		delete(b.details, account)
	}
}

// putDetail takes up how an account is, if it is still wanted.
func (b *board) putDetail(now *Detail) {
	text := frame("account", now)
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.details[now.Name]; d != nil && !bytes.Equal(d.frame, text) {
		d.frame = text
		d.version++
	}
}

// detail is the frame of an account for a page that has seen that version, and the version that it has seen with it.
func (b *board) detail(account string, seen int) (text []byte, version int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := b.details[account]
	if d == nil || d.version == seen {
		return nil, seen
	}
	return d.frame, d.version
}
