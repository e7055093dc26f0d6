package bridge

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// At the start, what is shown as away is what the bridge waits for, and nothing else.
func TestTheGaugesOfAStartNameWhatIsAway(t *testing.T) {
	const nowhere = "127.0.0.1:1"
	for _, row := range []struct{ config, waits, has, lacks string }{
		{
			"state: {redis_url: redis://" + nowhere + ", fingerprint_key: 0123456789abcdef0123456789abcdef}\nnats: {url: nats://" + nowhere + "}\n",
			"it waits for the store: ", "\ncliniko_bridge_store_reachable 0\n", "\ncliniko_bridge_nats_connected ",
		},
		{"nats: {url: nats://" + nowhere + "}\n", "it waits for NATS: ", "\ncliniko_bridge_nats_connected 0\n", "\ncliniko_bridge_store_reachable 0"},
	} {
		b := idleBridge(t, oneAccount+row.config)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		within(t, time.Minute, row.waits, func() bool {
			reasons := b.Ready(ctx)
			return len(reasons) == 1 && strings.HasPrefix(reasons[0], row.waits)
		})
		body := scrape(t, b)
		if !bytes.Contains(body, []byte(row.has)) || bytes.Contains(body, []byte(row.lacks)) {
			t.Errorf("%s: not %q, or %q, in\n%s", row.waits, row.has, row.lacks, body)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
