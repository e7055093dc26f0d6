package main

import (
	"os"
	"path/filepath"
	"testing"
)

const folder = "../.." // of package schemas

// What is in the tree is what the generator makes of the catalogue, and nothing else.
func TestTheGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Error(err)
		} else if string(got) != string(want) {
			t.Errorf("%s is not what the catalogue says: run `go generate ./schemas`", name)
		}
	}
	found, err := filepath.Glob(filepath.Join(folder, "json", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		name := "json/" + filepath.Base(path)
		if _, ok := files[name]; !ok && name != "json/event.json" { // that one is written by hand
			t.Errorf("%s is of no resource: remove it", name)
		}
	}
}

// write puts every file where go generate expects it.
func TestWriteFillsTheFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "json"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"types.go", "json/patients.json"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: other than in the tree", name)
		}
	}
	if err := write(filepath.Join(dir, "missing")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

// A type is named after one record, as Go spells names.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"patients": "Patient", "taxes": "Tax", "businesses": "Business", "patient_cases": "PatientCase",
		"daily_availabilities": "DailyAvailability", "invoices": "Invoice",
	} {
		if got := singular(goName(name)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"id": "ID", "patient_ids": "PatientIDs", "booking_ip_address": "BookingIPAddress", "address_1": "Address1",
		"online_payment_url": "OnlinePaymentURL", "dva_card_number": "DVACardNumber",
	} {
		if got := goName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
