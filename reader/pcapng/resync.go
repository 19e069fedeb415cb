package pcapng

import (
	"fmt"

	"recap/reader/format"
)

const (
	// scanBlock bounds the length of a block that a search believes, bytes.
	scanBlock = 1 << 20
	// scanKeep is how far a search goes before it gives the bytes up: until then, a
	// damaged length in front can be put right from the one at the end.
	scanKeep = 256 << 10
)

// broken starts looking for the next block that can be believed.
func (p *parser) broken(w *format.Window, why string) (need int) {
	p.st = inScan
	p.scan = format.Lost{Offset: w.Offset(), Packet: p.n + 1, Why: why}
	p.scanned = 1
	return 0
}

// candidate reports whether a block stands at b that can be believed: known
// type, the same length at both ends, and another block or the end of the file
// behind it. A positive need says that it must see more.
func (p *parser) candidate(b []byte, eof bool) (ok bool, need int) {
	if len(b) < 12 {
		if eof {
			return false, 0
		}
		return false, 12
	}
	if typ := p.u32(b); typ != blockSection && !knownType(typ) || !p.header(b) {
		return false, 0
	}
	big := p.big
	defer func() { p.big = big }()
	if p.u32(b) == blockSection {
		p.big, _ = sectionOrder(b)
	} else if !p.section {
		return false, 0
	}
	total := int(p.u32(b[4:]))
	if total > scanBlock {
		return false, 0
	}
	if len(b) < total {
		if eof {
			return false, 0
		}
		return false, total
	}
	if p.u32(b[total-4:]) != uint32(total) {
		return false, 0
	}
	if p.u32(b) == blockEnhanced && p.u32(b[20:]) > uint32(total)-32 {
		return false, 0
	}
	rest := b[total:]
	if len(rest) >= 12 {
		return p.header(rest) || p.otherBlock(rest), 0
	}
	if eof {
		return true, 0 // the file ends here, or inside the next header
	}
	return false, total + 12
}

// otherBlock reports whether b, of at least 12 bytes, may be a block of unknown
// type, or padding.
func (p *parser) otherBlock(b []byte) bool {
	n := p.u32(b[4:])
	return n >= 12 && n&3 == 0 && n <= scanBlock || n == 0 && p.u32(b) == 0
}

// resync gives up bytes until a block stands in the window again.
func (p *parser) resync(w *format.Window) (need int) {
	b := w.Bytes()
	for at := p.scanned; at < len(b); at++ {
		ok, more := p.candidate(b[at:], w.EOF)
		if more > 0 {
			return p.wait(w, at, more)
		}
		if ok {
			p.found(w, at)
			return 0
		}
	}
	if !w.EOF {
		return p.wait(w, len(b), 1)
	}
	p.scan.Lose(w, len(b))
	return 0
}

// wait keeps the search at b[at:] and asks for more bytes behind that place.
func (p *parser) wait(w *format.Window, at, more int) (need int) {
	if at > scanKeep || p.scan.Bytes > 0 {
		p.scan.Lose(w, at)
		at = 0
	}
	p.scanned = at
	return at + more
}

// found goes on at b[at:]. If the length before that place says that the block in
// front is whole, only the length at its beginning was wrong.
func (p *parser) found(w *format.Window, at int) {
	b := w.Bytes()
	p.st = atBlock
	if p.scan.Bytes == 0 && p.section && at >= 12 && p.u32(b[at-4:]) == uint32(at) && at&3 == 0 &&
		knownType(p.u32(b)) && uint32(at) >= minBlock(p.u32(b)) {
		p.damage(p.scan.Offset, p.scan.Packet, fmt.Sprintf("%s; the length at its end, %d, was used", p.scan.Why, at), p.scan.Hint)
		p.block(w, b[:at], at)
		return
	}
	p.scan.Lose(w, at)
	p.scan.Close(p.in, p.n)
}

func knownType(typ uint32) bool {
	switch typ {
	case blockInterface, blockPacket, blockSimple, blockNames, blockStats, blockEnhanced, blockJournal,
		blockSecrets, blockCustom, blockCustomNo:
		return true
	}
	return false
}

// zeroRun steps over zero bytes: padding if the file ends with them, damage if
// something follows.
func (p *parser) zeroRun(w *format.Window) (need int) {
	damage, need := p.zeros.Step(w, w.Bytes(), w.EOF, 4) // the first field of a block
	switch {
	case damage:
		p.broken(w, "zero bytes where a block should be")
		p.scan.Offset -= int64(p.zeros)
		p.scan.Bytes = int(p.zeros)
		p.scanned = 0
	case w.EOF:
		p.in.AddAnomaly("zero_padding")
	}
	return need
}
