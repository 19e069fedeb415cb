package format

import (
	"bytes"
	"fmt"

	"recap/reader/packet"
)

// A Lost is a stretch of the file that is being given up.
type Lost struct {
	Offset int64
	Packet int64 // the first that may have been in it, from 1
	Bytes  int
	Why    string
	Hint   string
}

// Lose gives up n more bytes.
func (l *Lost) Lose(w *Window, n int) {
	w.Lose(n)
	l.Bytes += n
}

// Close notes the stretch; behind packets that were saved.
func (l *Lost) Close(in *packet.Input, saved int64) {
	Damage(in, l.Offset, l.Packet, saved, fmt.Sprintf("%s; %d bytes were skipped", l.Why, l.Bytes), l.Hint)
}

// Damage notes a fault at a place in the file and the packet there, 0 for none, behind
// packets that were saved.
func Damage(in *packet.Input, offset, number, saved int64, why, hint string) {
	in.AddDamage(&packet.Error{File: in.Name, Packet: number, Offset: offset, Err: Cause(why), Saved: Saved(saved), Hint: hint})
}

// A ZeroRun counts zero bytes that are stepped over: they are padding if the file, or a
// part of it, ends with them, and damage if something follows.
type ZeroRun int

// Step goes on over the zero bytes at the beginning of b, which begins where the window
// does and with last is all that can come. The last few bytes, keep of them, may be the
// beginning of a record. In front of something else it takes all zero bytes back from the
// padding and reports damage. A positive need says that it must see more.
func (z *ZeroRun) Step(w *Window, b []byte, last bool, keep int) (damage bool, need int) {
	n := len(b) - len(bytes.TrimLeft(b, "\x00"))
	damage = n < len(b)
	switch {
	case damage:
		n = max(0, n-keep)
	case !last:
		keep = min(n, keep)
		n, need = n-keep, keep+1
	}
	w.Pad(n)
	if *z += ZeroRun(n); damage {
		w.Unpad(int(*z))
	}
	return damage, need
}
