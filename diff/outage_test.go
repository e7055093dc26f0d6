package diff_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A store that is away for an hour is asked about once a second for each account, whoever waits for it, and the log tells of
// it a few times and not with each try; the accounts are led again when it is back.
func TestAStoreThatIsAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(2)
		p := w.start(t, "one", w.accounts...)
		time.Sleep(10 * time.Second)
		p.store.deaf.Store(true)
		before, lines := p.store.calls.Load(), p.logs.Len()
		time.Sleep(time.Hour)
		if asked := p.store.calls.Load() - before; asked > 4*3600 {
			t.Errorf("it was asked %d times in the hour", asked)
		}
		if n := p.logs.Len() - lines; n == 0 || n > 10 {
			t.Errorf("the log has %d lines of that hour: %v", n, p.logs.All())
		}
		if has := w.now(); len(has) > 0 {
			t.Errorf("without a lease there is work on %v", has)
		}
		p.store.deaf.Store(false)
		time.Sleep(2 * ttl)
		w.wantShares(t, "one")
		p.stop()
	})
}
