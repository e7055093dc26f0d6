package clinikotest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A page is the answer to a query, before it is written.
type page struct {
	key    string
	rows   [][]byte // shared with the clinic: not to be changed in place
	ids    []schemas.ID
	total  int // -1: left out
	links  map[string]string
	status int // if a fault has set it, this is the answer, and no page
}

// list answers q.
func (c *Clinic) list(q query) page {
	l, _ := c.open(q.resource)
	defer c.mu.Unlock()
	found := c.sorted(q, l.matching(q))
	p := page{key: string(l.res.name), total: len(found)}
	from, to := q.span(len(found))
	for _, k := range found[from:to] {
		p.ids = append(p.ids, k.row.id)
		p.rows = append(p.rows, c.shown(l, k.row, q.role))
	}
	return p
}

// shown is a row as it is served. c.mu is held.
func (c *Clinic) shown(l *collection, r *row, role *Role) []byte {
	raw := c.encoded(r.now())
	if stub := c.stub(r); stub != nil {
		raw = stub
	}
	if role != nil {
		raw = role.shows(l.res.name, raw)
	}
	if c.opts.Respell {
		raw = respell(raw, c.ties)
	}
	return raw
}

// computed is the page of a list that is no collection's.
func computed(q query, key string, all [][]byte) page {
	from, to := q.span(len(all))
	return page{key: key, total: len(all), rows: slices.Clone(all[from:to]), ids: make([]schemas.ID, to-from)}
}

// span is where the page lies among n rows. It is empty past the end.
func (q *query) span(n int) (from, to int) {
	if q.page-1 > n/q.perPage {
		return n, n
	}
	from = min((q.page-1)*q.perPage, n)
	return from, min(from+q.perPage, n)
}

// matching are the visible rows for which all filters hold, in an order that is close to the one asked for: sorting
// costs least then.
func (l *collection) matching(q query) []*row {
	rows := l.order
	if q.sort[0].column == "updated_at" || slices.ContainsFunc(q.filters, filter.windows) {
		rows = within(l.byStamp, q.filters)
	}
	rest := slices.DeleteFunc(slices.Clone(q.filters), filter.windows)
	found := make([]*row, 0, len(rows))
	for _, r := range rows {
		if q.includes(l, r) && !slices.ContainsFunc(rest, func(f filter) bool { return !f.holds(r) }) {
			found = append(found, r)
		}
	}
	return found
}

// includes says whether a row is in the list at all, whatever the filters.
func (q *query) includes(l *collection, r *row) bool {
	if r.shown < 0 {
		return false
	}
	hidden := r.now().hidden
	if q.feed != 0 {
		// The deleted are there whatever else they are; the erased are of the deleted.
		if q.feed == deleted {
			if hidden&(deleted|erased) == 0 {
				return false
			}
		} else if hidden&q.feed == 0 || hidden&^(q.feed|q.lift) != 0 {
			return false
		}
	} else if hidden&^q.lift != 0 {
		return false
	}
	return (q.under == nil || q.under(r)) && (q.role == nil || q.role.sees(l, r))
}

// windows says whether a filter is a bound of updated_at.
func (f filter) windows() bool {
	return f.column == "updated_at" && (strings.HasPrefix(f.op, ">") || strings.HasPrefix(f.op, "<"))
}

// within cuts from rows, which are ordered by updated_at, those for which the filters on it hold: a window of time
// costs nothing but its own rows.
func within(rows []*row, filters []filter) []*row {
	for _, f := range filters {
		if !f.windows() {
			continue
		}
		switch f.op {
		case ">=":
			rows = rows[since(rows, f.bound):]
		case ">":
			rows = rows[since(rows, f.bound+1):]
		case "<=":
			rows = rows[:since(rows, f.bound+1)]
		default:
			rows = rows[:since(rows, f.bound)]
		}
	}
	return rows
}

// since is the place of the first of rows that was updated at or after unix.
func since(rows []*row, unix int64) int {
	i, _ := slices.BinarySearchFunc(rows, unix, func(r *row, unix int64) int {
		if r.now().updated < unix {
			return -1
		}
		return 1
	})
	return i
}

// A keyed row is a row with its values in the columns that sort it.
type keyed struct {
	row  *row
	keys []value
}

// sorted orders rows as q asks. c.mu is held.
func (c *Clinic) sorted(q query, rows []*row) []keyed {
	width := len(q.sort)
	list, keys := make([]keyed, len(rows)), make([]value, len(rows)*width)
	for i, r := range rows {
		list[i] = keyed{r, keys[i*width : (i+1)*width]}
		for j, k := range q.sort {
			list[i].keys[j] = r.value(k.column)
		}
	}
	slices.SortFunc(list, func(a, b keyed) int { // by creation where all else is equal
		if n := q.compare(a, b); n != 0 {
			return n
		}
		return a.row.seq - b.row.seq
	})
	if !c.opts.StableTies {
		from, to := q.span(len(list))
		shuffleTies(list, from, to, q.compare, c.ties)
	}
	return list
}

func (q *query) compare(a, b keyed) int {
	for i, k := range q.sort {
		if n := compareValues(a.keys[i], b.keys[i]); n != 0 {
			if k.desc {
				return -n
			}
			return n
		}
	}
	return 0
}

// shuffleTies puts those of equal values into a random order, in every run of them that has a part in from to to.
func shuffleTies(list []keyed, from, to int, compare func(a, b keyed) int, rng *rand.Rand) {
	for from > 0 && from < to && compare(list[from-1], list[from]) == 0 {
		from--
	}
	for from < to {
		end := from + 1
		for end < len(list) && compare(list[from], list[end]) == 0 {
			end++
		}
		run := list[from:end]
		rng.Shuffle(len(run), func(i, j int) { run[i], run[j] = run[j], run[i] })
		from = end
	}
}

// link gives p its links, for a list at address.
func (p *page) link(q query, address string) {
	p.links = map[string]string{"self": q.link(address, q.page)}
	if q.page > 1 {
		p.links["previous"] = q.link(address, q.page-1)
	}
	if p.total > q.perPage && q.page <= (p.total-1)/q.perPage {
		p.links["next"] = q.link(address, q.page+1)
	}
}

// link is the address of a page of the same query: filters, sort and all.
func (q *query) link(address string, page int) string {
	parts := []string{"page=" + strconv.Itoa(page)}
	for _, name := range []string{"from", "to", "per_page", "sort", "order", "q[]", "q"} {
		for _, v := range q.asked[name] {
			parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(v))
		}
	}
	return address + "?" + strings.Join(parts, "&")
}

// encode writes the page. The rows are copied as they are.
func (p *page) encode() []byte {
	var b bytes.Buffer
	b.WriteString(`{"` + p.key + `":[`)
	b.Write(bytes.Join(p.rows, []byte{','}))
	b.WriteByte(']')
	if p.total >= 0 {
		b.WriteString(`,"total_entries":` + strconv.Itoa(p.total))
	}
	b.WriteString(`,"links":`)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the API writes an & as it is
	_ = enc.Encode(p.links)  // strings always encode, and a Buffer takes all
	b.Truncate(b.Len() - 1)  // the encoder ends a line
	b.WriteByte('}')
	return b.Bytes()
}
