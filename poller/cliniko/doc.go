// Package cliniko is the HTTP client for Cliniko's REST API, and the budget of requests that an API key has.
//
// A [Client] is one key. It does two things, asking for one page of a list and asking for one object, and both the
// same way: wait for the [Budget], send one GET, and say exactly what came of it. A request that brought no page is an
// [*Error] with a [Kind]; it is never an empty list. The client does not retry, and it does not follow links: what to
// ask next, and when to ask again, is for the caller to decide.
//
// What it never does: send the key to a host other than that of the base URL (no redirect is followed, and a path is
// checked before it is asked), read a body without a bound, take a body that is not the list for a
// list, or put the key or any text of a body into an error.
//
// Rows are kept byte for byte as they came. All that is read of them here is their id, exact however large, and two
// stamps; a row that lacks them is set aside in [Page.Bad], and the others do not suffer for it.
package cliniko
