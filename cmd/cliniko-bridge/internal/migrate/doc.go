// Package migrate moves what a bridge keeps - its store, its stream - to where another configuration has them, so that the bridge
// goes on there as if it had been there all along: no event is lost or told twice.
//
// It copies. What it moves stays as it was, and is a backup. The stream is copied message by message, each at the sequence that
// it has; so the store, the checkpoints and every subscriber that remembers a sequence are right about the copy, and the store
// is copied byte for byte. Where the two configurations name the same place, nothing is moved.
//
// Until all is there and has been compared, a mark keeps any bridge from beginning on it; see [bridge.Move].
package migrate
