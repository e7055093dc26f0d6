// Package mock is a pretended Cliniko account that runs as a server of its own, for the tests of those who write
// against the API or against the events of a bridge. The clinic in it, and how the API answers, are
// [clinikotest]'s; this package adds what a program outside of this module needs: an address, and ways to make things
// happen.
//
// # As the API has it
//
// Below /v1 the account is read as the real one is: with the key, a User-Agent that names somebody, 200 requests a minute.
// Records can be written there, too:
//
//	POST   /v1/patients                    a record with the fields of the body; what it leaves out is invented
//	PATCH  /v1/patients/ID                 changes fields
//	DELETE /v1/patients/ID                 archives or deletes it, whichever its resource knows; else it is gone
//	POST   /v1/patients/ID/archive         and unarchive, cancel, uncancel
//
// A body is JSON, as {"first_name": "Ada"}; a relation is written as {"patient_id": "51001"}. What a resource has no field for is
// ignored, as are stamps and states.
//
// # On purpose
//
// Below /_mock no key is asked for, nothing counts against the budget, and no fault strikes:
//
//	GET    /_mock/records/RESOURCE         {"ids": ["51001", …]}, whatever state they are in
//	POST   /_mock/records/RESOURCE         makes a record: {"id": "51001", "state": "live", "record": {…}}
//	GET    /_mock/records/RESOURCE/ID      the record, whatever state it is in
//	PATCH  /_mock/records/RESOURCE/ID      changes the fields of the body; with none, something that people would change
//	POST   /_mock/records/RESOURCE/ID/ACT  archive, unarchive, cancel, uncancel, delete, undelete, deactivate, activate or touch
//	DELETE /_mock/records/RESOURCE/ID      takes it away for good: no list and no address shows it any more
//	POST   /_mock/changes                  {"count": 5}: so many things of a clinic's day happen at once
//	POST   /_mock/faults                   {"kind": "503", "resource": "patients", "count": 3}; see Fault
//	DELETE /_mock/faults                   all is well again
//
// Whoever asks for what there is not gets 404 or 422 and {"message": "…"}.
package mock
