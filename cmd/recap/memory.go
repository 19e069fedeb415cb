package main

import (
	"os"
	"runtime/debug"

	"recap/export"
	"recap/export/parquet"
)

const (
	// codeRoom is what the process holds beside what the Go runtime manages: its code.
	codeRoom = 24 << 20
	// leastRoom is what reading and writing take whatever the budget is: batches on
	// their way, columns of the open row groups, encoders.
	leastRoom = 160 << 20
	// gcPercent trades memory below the limit for time: the live heap is small
	// against the bytes that pass through and little of those is allocated, so that
	// collections are rare even with little room.
	gcPercent = 50
	// gcPercentCounting is for a reading that keeps nothing of a pair: its heap is so
	// small that several times its size is little.
	gcPercentCounting = 400
	// gcPercentReplay is for pairs that wait for their time, every one of which is
	// allocated: the budget has room for them, and what collects is taken from sending.
	gcPercentReplay = 200
)

// sinks says how outputs are written: row groups wait in memory, those of several
// files and two of each.
func (l *limits) sinks() export.Options {
	mem := int64(l.mem.size)
	return export.Options{
		Workers:          l.workers,
		RowGroupBytes:    min(parquet.DefaultRowGroup, max(mem/32, 2<<20)),
		MaxRowGroupBytes: max(mem/8, parquet.DefaultRowGroup),
	}
}

// setMemory tells the Go runtime about the budget of the process, and by how many
// percent of what is live the heap may grow between collections. The variables
// GOGC and GOMEMLIMIT, where set, are the user's own word and win.
func setMemory(budget int64, percent int) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(max(budget-codeRoom, leastRoom))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
