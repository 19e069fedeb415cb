package sinktest

import "unsafe"

// overwrite writes over the bytes of s, which must be on the heap.
func overwrite(s string) {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range b {
		b[i] = 0xa5
	}
}
