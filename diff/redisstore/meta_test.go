package redisstore

import "testing"

// Whatever Redis holds of a resource beside its records, it is read or refused; and what is read has a number of buckets
// that can be divided by.
func FuzzMeta(f *testing.F) {
	f.Add("{}", "64", "1200", "s:1f", `{"k":"x"}`)
	f.Add("", "63", "-1", "s:", "")
	f.Add("{}", "0", "x", "s:1ffffffff", "")
	f.Add("{}", "9223372036854775808", "", "state", "")
	f.Fuzz(func(t *testing.T, state, buckets, tracked, shape, text string) {
		snap, n, err := parseMeta(map[string]string{stateField: state, bucketsField: buckets, trackedField: tracked, shape: text})
		if err != nil {
			return
		}
		if n < 1 || n&(n-1) != 0 || snap.State == nil {
			t.Errorf("%d buckets, of a state %q", n, snap.State)
		}
		if at := bucketOf("343589", n); at < 0 || at >= n {
			t.Errorf("bucket %d of %d", at, n)
		}
	})
}
