// Package admin is the HTTP server for operators, and the [Client] that speaks with it. It shows health, readiness,
// metrics, status and a page, with what is new while that is open; and it takes two wishes, a sweep and a baseline, which it
// hands to the bridge. Nothing
// else can be changed by it.
//
// It has no password unless it was given a token, and so it listens on loopback unless it is told otherwise. What it
// shows there needs no token, but a web page that somebody opens on the same machine could ask for it, under a name of its own
// that leads to 127.0.0.1; a request whose Host is not a loopback name or address is refused for that reason.
//
// Where the address is open to a network, the page and the status need the token; health, readiness and metrics never do, as
// what probes and scrapes has none.
//
// A wish is a POST of JSON. It is refused if a page of another site makes it, if the token that there is does not come
// with it, and, where the address is open to a network, if there is no token at all.
package admin
