package bridge

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// A fence lets requests to an account's API pass for as long as the account is surely this process's. A process that was
// suspended in the middle of a poll, and wakes when another has the account, must not spend of a budget that the other
// counts.
type fence struct {
	next  http.RoundTripper
	lease diff.Lease
}

func (f *fence) RoundTrip(r *http.Request) (*http.Response, error) {
	if !f.lease.Sure() {
		return nil, fmt.Errorf("not sent: %w", diff.ErrLeaseLost)
	}
	return f.next.RoundTrip(r)
}

// A ledger keeps what an account spent of its budget beside its records, so that neither a restart nor the next bridge that
// has the account spends it again.
type ledger struct {
	store diff.Store
	lease diff.Lease
}

const (
	ledgerNote = "budget"
	ledgerTTL  = 2 * time.Minute
)

func (l *ledger) Spent(ctx context.Context) ([]byte, error) {
	return l.store.Note(ctx, l.lease.Account, ledgerNote)
}

// Reserve writes as long as the account is surely this process's: another that takes it over reads the note when it has the
// lease, and nothing may be added behind that.
func (l *ledger) Reserve(ctx context.Context, spent []byte) error {
	if !l.lease.Sure() {
		return diff.ErrLeaseLost
	}
	if until := l.lease.Until(); !until.IsZero() {
		limited, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		ctx = limited
	}
	return l.store.PutNote(ctx, l.lease.Account, ledgerNote, spent, ledgerTTL)
}
