// Package clinikotest is a Cliniko to test against: a clinic that exists only in memory, served over HTTP as the real
// one is, with its paging, filters, limits and bad days. It stands to the API as net/http/httptest stands to a web
// server. It is written from what is known of the API and not from our client, so that each can judge the other.
//
// A [Clinic] is the data. A test creates and edits records in it, hides them and brings them back ([Clinic.Archive],
// [Clinic.Cancel], [Clinic.Merge]), and asks it afterwards which states there were ([Clinic.Record], [Clinic.State],
// [Clinic.History]). Its time is a func, or a [Clock] in the test's hands. A [Server] shows the clinic on a loopback
// port, a [Handler] shows it wherever HTTP is spoken; both keep a log of the requests. A [Rule] puts a [Fault] on some
// of the answers, a [Role] limits what the key may see. A [Live] makes the days of a clinic pass.
//
//	clock := clinikotest.NewClock(time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC))
//	clinic := clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025, Now: clock.Now})
//	clinic.Populate(clinikotest.SmallClinic())
//	server := clinikotest.NewServer(clinic)
//	defer server.Close()
//	server.Inject(clinikotest.Rule{Fault: clinikotest.Status(503), Resource: "patients", Next: 3})
//
// # Editions
//
// Both living editions are served whole. What each has is in the folder editions: the fields, the filters, what a
// list hides. In that of 2017 what is hidden has side lists (/patients/archived); with StringIDs, BigIDs and Stubs it
// becomes the API of 2018 to 2022. In that of 2025 filters lift what is hidden (archived_at:*), at the address of a
// single record too. The same version of a record is always the same bytes, unless Options.Respell is set.
//
// Some resources are not lists of records. The settings and the public settings are one object each, with the name of
// the resource as their id here; a referral source of 2017 goes by the id of its patient; services and available_times
// are computed from other records on each read, and no method takes their names. In 2025, bookings and appointments
// show rows of other resources (individual_appointments and so on): what is done to either is done to the row behind.
//
// # What is not known
//
// Where the sources are silent, the clinic takes the choice that is harder on a client, and the comment beside it
// says so. The order of equal sort values changes from request to request. Fractions of a second in a filter are
// refused. A list can be sorted by its documented plain columns alone, a list of the deleted by deleted_at, created_at
// and id. A page past the end is empty. What a list hides answers 404 by its id, inactive practitioners too. The 7 days
// of available_times count the first and the last. No act on a record moves the stamp of a neighbour, but the children
// of a merged patient, which get another patient. Whether acts move a record's own stamp is for the test to say
// (Options.QuietStates), for a client has to survive both.
//
// What is known to have happened to clients is listed in quirks_test.go, each with the way to make it happen here.
package clinikotest
