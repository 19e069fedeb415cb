package pcap

import (
	"fmt"

	"recap/reader/format"
)

// action is what becomes of a record that looked wrong.
type action uint8

const (
	take   action = iota // a packet after all, of the size given
	wait                 // more bytes must be seen
	broken               // no record: look for the next one
	zero                 // a header of zero bytes
)

// chainLength is how many consistent records in a row count as proof that the
// place is right.
const chainLength = 3

// near is how far, in seconds, the times of a found record may be from those of
// the packets before.
const near = 30 * 86400

// maxLen is the largest length on the wire that a record found by searching may claim.
const maxLen = 1 << 18

// look decides on a record whose header is not quite plain. b starts with the
// header, which stands at offset in the file.
func (p *parser) look(b []byte, r record, offset int64, eof bool) (act action, size, need int) {
	hl := p.v.header
	if r.caplen == 0 && r == (record{}) {
		return zero, 0, 0
	}
	if r.caplen > p.maxPacket {
		if size, need = p.repair(b, r, offset, eof); need > 0 {
			return wait, 0, need
		}
		if size >= 0 {
			return take, size, 0
		}
		return broken, 0, 0
	}
	size = int(r.caplen)
	if r.caplen != r.len && r.caplen != p.lastCut && (r.caplen > r.len || r.caplen != p.snap) {
		if act, size, need = p.verify(b, r, offset, eof); act != take {
			return act, size, need
		}
	}
	if len(b) < hl+size {
		return take, size, 0 // the caller asks for the rest
	}
	if r.caplen > p.snap {
		p.snapLies++
	}
	if r.caplen > r.len {
		p.exceeds++
	} else if r.caplen < r.len {
		p.lastCut = r.caplen
	}
	return take, size, 0
}

// verify doubts the captured length of a record, because it is neither the length
// on the wire nor what the snap length would leave. If no record follows where
// it says, but one does where another reading says, that reading wins.
func (p *parser) verify(b []byte, r record, offset int64, eof bool) (act action, size, need int) {
	hl := p.v.header
	size = int(r.caplen)
	next := hl + size
	switch {
	case len(b) >= next+hl:
		if n := p.header(b[next:]); p.plausible(n) && p.nearby(n.sec, r.sec) {
			return take, size, 0
		}
	case !eof:
		return wait, size, next + hl
	case len(b) == next:
		return take, size, 0
	}
	if n, need := p.repair(b, r, offset, eof); need > 0 {
		return wait, size, need
	} else if n >= 0 {
		return take, n, 0
	}
	for at := hl; at < next && at < len(b); at++ {
		ok, more := p.chain(b[at:], r.sec, eof)
		switch {
		case more > 0:
			return wait, size, at + more
		case ok && (r.len > maxLen || r.frac >= p.v.frac || !p.nearby(r.sec, r.sec)):
			return broken, size, 0 // nothing in this header can be believed
		case ok:
			p.repaired(offset, r, at-hl)
			return take, at - hl, 0
		}
	}
	return take, size, 0
}

// repair looks whether records follow a record where its length on the wire, or
// the snap length, says; it returns the captured length that follows from it, or
// -1. A positive need says that it must see more.
func (p *parser) repair(b []byte, r record, offset int64, eof bool) (size, need int) {
	hl := p.v.header
	for _, n := range []uint32{r.len, min(r.len, p.snap)} {
		if n > p.maxPacket || n == r.caplen || len(b) < hl+int(n) && eof {
			continue
		}
		if len(b) < hl+int(n) {
			return -1, hl + int(n)
		}
		ok, more := p.chain(b[hl+int(n):], r.sec, eof)
		if more > 0 {
			return -1, hl + int(n) + more
		}
		if ok {
			p.repaired(offset, r, int(n))
			return int(n), 0
		}
	}
	return -1, 0
}

func (p *parser) repaired(offset int64, r record, n int) {
	p.damage(offset, p.n+1, fmt.Sprintf("captured length %d of a packet of %d bytes leads to no record; the next record follows after %d bytes",
		r.caplen, r.len, n), "")
}

// plausible reports whether a header may be that of a record.
func (p *parser) plausible(r record) bool {
	return r.caplen <= p.maxPacket && r.caplen <= r.len && r.len <= maxLen && r.len > 0 && r.frac < p.v.frac
}

// chain looks whether consistent records stand at the start of b, with times near
// sec or those of the packets before. It is sure after chainLength of them, or
// where the last ends with the file or before padding. A positive need says that it must see more.
func (p *parser) chain(b []byte, sec uint32, eof bool) (ok bool, need int) {
	hl := p.v.header
	at := 0
	for i := range chainLength {
		if at == len(b) && eof {
			return i > 0, 0
		}
		if len(b)-at < hl {
			if eof {
				return i > 1, 0
			}
			return false, at + hl
		}
		r := p.header(b[at:])
		if i > 0 && r == (record{}) {
			return true, 0 // padding
		}
		if !p.plausible(r) || !p.nearby(r.sec, sec) {
			return false, 0
		}
		// Before any packet nothing tells which times are right, and equal records
		// read with a shift look like records too.
		if p.n == 0 && r.caplen != r.len && r.caplen != p.snap {
			return false, 0
		}
		sec = r.sec
		if at += hl + int(r.caplen); at > len(b) {
			if eof {
				return i > 0, 0
			}
			if i < chainLength-1 {
				return false, at + hl
			}
		}
	}
	return true, 0
}

func (p *parser) nearby(sec, before uint32) bool {
	if p.n == 0 {
		return before == 0 || dist(sec, before) <= near
	}
	return dist(sec, p.first) <= near || dist(sec, p.last) <= near
}

func dist(a, b uint32) uint32 {
	if a < b {
		return b - a
	}
	return a - b
}

// turn changes state as look decided.
func (p *parser) turn(w *format.Window, act action, r record, need int) int {
	p.flush()
	switch act {
	case wait:
		return need
	case zero:
		p.st, p.zeros = inZeros, 0
	case broken:
		why := fmt.Sprintf("captured length %d exceeds the limit of %d", r.caplen, p.maxPacket)
		if r.caplen <= p.maxPacket {
			why = fmt.Sprintf("captured length %d of a packet of %d bytes leads to no record", r.caplen, r.len)
		}
		hint := ""
		if r.caplen > p.maxPacket && r.caplen <= r.len && r.caplen <= 16<<20 {
			hint = "raise the limit for packets if they are really that long"
		}
		p.startScan(w.Offset(), why, hint)
		// The header itself is no record.
		p.scan.Lose(w, 1)
	}
	return 0
}

func (p *parser) startScan(offset int64, why, hint string) {
	p.st = inScan
	p.scan = format.Lost{Offset: offset, Packet: p.n + 1, Why: why, Hint: hint}
}

// resync gives up bytes until records stand in the window again.
func (p *parser) resync(w *format.Window) (need int) {
	b := w.Bytes()
	for at := range b {
		ok, more := p.chain(b[at:], 0, w.EOF)
		if more > 0 {
			p.scan.Lose(w, at)
			return more
		}
		if ok {
			p.scan.Lose(w, at)
			p.scan.Close(p.in, p.n)
			p.st = atRecord
			return 0
		}
	}
	p.scan.Lose(w, len(b))
	if w.EOF {
		return 0
	}
	return p.v.header
}

// zeroRun steps over zero bytes: padding if the file ends with them, damage if
// something follows.
func (p *parser) zeroRun(w *format.Window) (need int) {
	damage, need := p.zeros.Step(w, w.Bytes(), w.EOF, p.v.header)
	switch {
	case damage:
		p.startScan(w.Offset()-int64(p.zeros), "zero bytes where a record should be", "")
		p.scan.Bytes = int(p.zeros)
	case w.EOF:
		p.in.AddAnomaly("zero_padding")
	}
	return need
}
