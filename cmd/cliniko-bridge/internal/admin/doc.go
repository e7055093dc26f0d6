// Package admin is the HTTP server for operators: health, readiness, metrics, status and a page that shows them. It
// reads and never changes anything.
//
// It has no password, and so it listens on loopback unless it is told otherwise. A web page that somebody opens on the
// same machine could still ask it, under a name of its own that leads to 127.0.0.1; a request whose Host is not a
// loopback name or address is refused for that reason.
package admin
