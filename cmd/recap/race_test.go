//go:build race

package main

// underRace says that the race detector is on: every process takes ten times as long,
// and a race shows in a few runs or not at all.
const underRace = true
