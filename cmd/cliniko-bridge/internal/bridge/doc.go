// Package bridge wires the stages together: it opens the store and the stream that a configuration names, and runs a
// poller for each account whose lease it has.
package bridge
