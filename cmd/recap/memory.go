package main

import (
	"os"
	"runtime/debug"
)

const (
	// runtimeRoom is what the process needs beside the state that --mem bounds:
	// code, stacks, batches on their way, columns of the open row groups.
	runtimeRoom = 128 << 20
	// gcPercent trades memory below the limit for time: the live heap is small
	// against the bytes that pass through and little of those is allocated, so that
	// collections are rare even with little room.
	gcPercent = 50
)

// setMemory tells the Go runtime about the budget for all state. The variables
// GOGC and GOMEMLIMIT, where set, are the user's own word and win.
func setMemory(budget int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(budget + runtimeRoom)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
