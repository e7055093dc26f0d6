// Package poller asks Cliniko what changed, and hands what it finds to the next stage.
//
// Every resource of an account has a reader. A reader follows the resource's list by keyset: it asks for the records
// stamped at or after a point, oldest first, takes the first page alone, and asks again from that page's last stamp
// (window.go). It never counts pages across time, so that a list that moves under it - an edited record jumps to the
// end, all behind it slide up - costs a repetition and not a record. A second with more rows than a page holds is
// read by ids (second.go). A list that does not sort is read in stretches of time that fit into one answer (unsorted.go).
//
// Three readings of that kind make a resource complete:
//
//   - The opening look (open.go) takes the newest records, which says where "from now on" begins.
//   - Live polling (live.go) reads from the cursor less a look-back, for ever, on the resource's cron schedule.
//   - The baseline (baseline.go) reads what was there before, once, beside live polling, and resumes where it stopped.
//
// What has no list to follow is read whole, time and again: an object of the account (single.go), and, parent by parent, what
// lies below the records of another resource and the free slots of each diary (walk.go).
//
// A cursor is the greatest stamp that the next stage has taken in: the API's clock, never ours. It moves only with
// what was committed, so that a failure anywhere leaves it where it was, and the schedule is the retry.
package poller
