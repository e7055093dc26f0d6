// Package diff tells what changed, and makes it certain that it is told once.
//
// A page of records comes in through [Differ.Accept]. Each record is brought to a canonical form and hashed under a
// key: one hash of the whole and a short tag of each top-level field (print.go, canonical.go). What the [Store] holds
// of the record from the last look (entry.go) is compared with it; what differs becomes an event (decide.go). The
// events go to the [Publisher], and when every one is acknowledged, the store learns all of it in one step (differ.go).
//
// The stream is the truth and the store a cache of it. Whenever the two may disagree - after a crash, a lost reply, a
// store that was put back to an earlier day or lost - the events that the store has not are read back from the stream
// and committed as if they had just been acknowledged (catchup.go), and only then is anything decided.
package diff
