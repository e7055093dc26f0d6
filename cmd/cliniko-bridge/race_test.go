//go:build race

package main

// raceEnabled: the binary under test is built with the race detector if the tests are.
const raceEnabled = true
