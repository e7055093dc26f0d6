// Package clinikotest is a Cliniko to test against: a clinic that exists only in memory, served over HTTP as the real
// one is, with its paging, filters, limits and bad days. It stands to the API as net/http/httptest stands to a web
// server. It is written from what is known of the API and not from our client, so that each can judge the other.
//
// A [Clinic] is the data. A test creates and edits records in it and asks it afterwards which states there were
// ([Clinic.Record], [Clinic.History]). Its time is a func, or a [Clock] in the test's hands. A [Server] shows the
// clinic on a loopback port, a [Handler] shows it wherever HTTP is spoken; both keep a log of the requests. A [Rule]
// puts a [Fault] on some of the answers. A [Live] makes the days of a clinic pass.
//
//	clock := clinikotest.NewClock(time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC))
//	clinic := clinikotest.New(clinikotest.Options{Now: clock.Now})
//	clinic.Populate(clinikotest.SmallClinic())
//	server := clinikotest.NewServer(clinic)
//	defer server.Close()
//	server.Inject(clinikotest.Rule{Fault: clinikotest.Status(503), Resource: "patients", Next: 3})
//
// What is served are the plain lists of the API of 2017 (package schemas, Edition2017) and their single records.
// Rows that are archived, cancelled or deleted are hidden from both; the lists that show them, and the lists below a
// record, answer 404. The same version of a record is always the same bytes, unless Options.Respell is set.
//
// Where the sources are silent, the clinic takes the choice that is harder on a client, and the comment beside it
// says so: the order of equal sort values changes from request to request, fractions of a second in a filter are
// refused, a list can be sorted by its documented plain columns alone. A page past the end is empty.
package clinikotest
