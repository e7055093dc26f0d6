// Package schemas is the ground that the other packages stand on: what a resource is, what a record is, what an
// event is, and what one stage hands to the next.
//
// The model, from the outside in:
//
//   - A [Spec] is one row of the catalogue: a resource of the API in one of its editions, with the lists that show
//     it (its feeds), its default schedule and its documented fields. A new resource is a row and not code.
//   - A [Record] is one row of such a list: the bytes that the API gave, its exact ID, and its two stamps.
//   - A [Page] is what the poller hands to the diff stage: records, and the [Mark] that holds once they are safe.
//   - An [Event] says that a record changed. Its body is a CloudEvents 1.0 event in structured JSON.
//   - A [Standing] is how far a resource has been read.
//
// For those who receive events, [Decode] reads a message into the Go type of its resource, such as [Patient], and
// [JSONSchema] has the same as JSON Schemas. Both are made from the catalogue's documented fields, by `go generate`.
//
// All times are UTC and to the second, and all but [Event.ObservedAt] come from the API's clock, never from ours.
// The package imports the standard library only.
package schemas
