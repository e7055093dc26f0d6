// Package publisher puts events into a JetStream stream, each of them once, and reads them back.
//
// The model:
//
//   - A [Template] says on which subject an event goes: "cliniko.{resource}.{verb}". All events of one resource of
//     one account have one wildcard filter, and their stream sequences are the order in which they happened.
//   - [Ensure] makes the stream, or says what is wrong with the one that is there. It never changes a stream.
//   - [Publisher.Publish] stores a page of events. Its first message carries the stream sequence of the resource's
//     last event as the caller knows it, and the server stores it only if that is still so. This fence, and not the
//     duplicate window, is what makes an event stand in the stream once: whoever missed an acknowledgement, was
//     restored from an old copy or is not the only one finds out before anything is stored.
//   - [Publisher.ReadBack] gives the events behind a stream sequence, so that the caller learns what it missed.
//   - A [Reader] gives events to people and to other programs: those that a [Selection] asks for, of a [Span] of the
//     stream ([Reader.Replay]) or as they come ([Reader.Follow]). A [Target] takes them on a subject of its own, and
//     refuses every subject on which they would look like news.
//
// The stream is the truth: what is in it happened, and a caller that knows less reads it back.
//
// What was measured and what the code relies on holds for nats-server 2.15 and nats.go 1.55.
package publisher
