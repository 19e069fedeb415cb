//go:build linux

package main

import (
	"os"
	"syscall"
)

// untouchedSince reports whether a file was last changed, in any way, before another
// was written. The time of the inode counts, which no tool sets: one that puts other
// bytes in and the old date on shows all the same.
func untouchedSince(name, since string) bool {
	a, err := os.Stat(name)
	if err != nil || !a.Mode().IsRegular() {
		return false
	}
	b, err := os.Stat(since)
	if err != nil {
		return false
	}
	x, ok := a.Sys().(*syscall.Stat_t)
	y, ok2 := b.Sys().(*syscall.Stat_t)
	// Clocks of two file systems need not agree.
	return ok && ok2 && x.Dev == y.Dev && x.Ctim.Nano() < y.Ctim.Nano()
}
