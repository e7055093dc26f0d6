package poller

import (
	"errors"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// How many rows are asked for at once. The API gives 100 at most (its docs). A list that is heavy is cut off after about 30 s with
// a 504 (cliniko-api issue 119), or answers 500 because of one row (issue 271): smaller pages get through, or
// find the row.
const (
	mostRows  = 100
	leastRows = 10
	// growAfter is how many pages have to come through before more rows are tried again.
	growAfter = 20
)

// A size is how many rows a page of one list has. The zero value is mostRows.
type size struct {
	less int // rows, 0 for mostRows
	good int // pages that came through since
}

func (s *size) rows() int {
	if s.less == 0 {
		return mostRows
	}
	return s.less
}

// note takes what became of a page.
func (s *size) note(err error) {
	e, failed := errors.AsType[*cliniko.Error](err)
	switch {
	case failed && (e.Kind == cliniko.Server || e.Kind == cliniko.TooLarge || e.Kind == cliniko.Network):
		*s = size{less: max(s.rows()/2, leastRows)}
	case err == nil && s.less > 0:
		if s.good++; s.good >= growAfter {
			*s = size{less: min(s.less*2, mostRows)}
		}
	}
}
