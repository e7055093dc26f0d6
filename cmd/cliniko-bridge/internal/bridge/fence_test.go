package bridge

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
)

// stale is a store that renews nothing.
type stale struct{ *difftest.Memory }

func (stale) Renew(context.Context, diff.Lease, time.Duration) error { return errors.New("no answer") }

// passes counts the requests that reach the API.
type passes int

func (p *passes) RoundTrip(*http.Request) (*http.Response, error) {
	*p++
	return &http.Response{Body: http.NoBody}, nil
}

// Once the lease may be another's no request is sent, and none is reserved: the other has read what was reserved by then.
func TestNothingIsAskedOnceTheLeaseMayBeAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := stale{difftest.NewMemory()}
		ctx, stop := context.WithCancel(t.Context())
		ask := func(lease diff.Lease) (sent int, reserved error) {
			var sends passes
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/v1/patients", nil)
			if err != nil {
				t.Error(err)
				return 0, nil
			}
			if res, err := (&fence{&sends, lease}).RoundTrip(r); err == nil {
				_ = res.Body.Close()
			}
			return int(sends), (&ledger{store, lease}).Reserve(t.Context(), []byte("1"))
		}
		diff.NewReplica(diff.ReplicaConfig{
			Store: store, Holder: "one", Accounts: []string{"northside"}, TTL: leaseTTL, Log: zap.NewNop(),
			Work: func(ctx context.Context, lease diff.Lease) {
				defer stop()
				if sent, err := ask(lease); sent != 1 || err != nil {
					t.Errorf("with the lease %d requests were sent, and %v", sent, err)
				}
				<-ctx.Done()
				if sent, err := ask(lease); sent != 0 || !errors.Is(err, diff.ErrLeaseLost) {
					t.Errorf("without the lease %d requests were sent, and %v", sent, err)
				}
			},
		}).Run(ctx)
	})
}

// A second bridge on the state file of another says so once, and goes on when the other has stopped.
func TestASecondBridgeWaitsForTheStateFile(t *testing.T) {
	dir := t.TempDir()
	first, err := filestore.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	opened := make(chan error, 1)
	go func() {
		second, err := OpenStore(t.Context(), &config.Config{DataDir: dir}, zap.New(core))
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	within(t, time.Minute, "it says that it waits", func() bool { return logs.FilterMessage("waiting").Len() > 0 })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	if logs.Len() != 1 {
		t.Errorf("it said %v", logs.All())
	}
}
