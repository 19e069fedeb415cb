package pipeline

import (
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
)

const (
	// quicIdle is how long a QUIC connection may be silent, nanoseconds of the capture
	// clock: longer than the idle timeouts that are in use (RFC 9000, section 10.1).
	quicIdle = 300 * second
	// maxQUIC bounds the addresses and ports that are remembered as those of QUIC;
	// each takes 1/8192 of the memory at most.
	maxQUIC = 1 << 16
)

// quicFinder tells which datagrams are QUIC: those that begin a connection beyond doubt,
// and what comes between the same addresses and ports afterwards. Packets inside a
// connection show by nothing but that that they are QUIC.
type quicFinder struct {
	known  map[exchange.FlowKey]*quicPlace
	most   int        // of known
	oldest *quicPlace // by last use
	newest *quicPlace
}

// quicPlace is where QUIC was seen.
type quicPlace struct {
	key        exchange.FlowKey
	clock      int64
	prev, next *quicPlace
}

func newQUICFinder(mem int64) *quicFinder {
	return &quicFinder{known: make(map[exchange.FlowKey]*quicPlace), most: int(min(maxQUIC, max(mem>>13, 1)))}
}

// may is the cheap test that comes first: anything may be, once a connection is known;
// until then only what looks like the first packet of one.
func (f *quicFinder) may(b []byte) bool {
	return len(f.known) > 0 || quic.MayBegin(b)
}

// claim reports whether s is QUIC.
func (f *quicFinder) claim(s *decap.Segment) bool {
	p := f.known[s.Key]
	if p != nil && s.Clock-p.clock > quicIdle {
		f.remove(p)
		delete(f.known, p.key)
		p = nil
	}
	switch {
	case p != nil:
		f.remove(p)
	case !quic.Begins(s.Payload()):
		return false
	default:
		if len(f.known) >= f.most {
			delete(f.known, f.oldest.key)
			f.remove(f.oldest)
		}
		p = &quicPlace{key: s.Key}
		f.known[s.Key] = p
		s.Info |= decap.Opening
	}
	p.clock = s.Clock
	f.push(p)
	return true
}

func (f *quicFinder) push(p *quicPlace) {
	if p.prev = f.newest; p.prev != nil {
		p.prev.next = p
	} else {
		f.oldest = p
	}
	f.newest = p
}

func (f *quicFinder) remove(p *quicPlace) {
	if p.prev != nil {
		p.prev.next = p.next
	} else {
		f.oldest = p.next
	}
	if p.next != nil {
		p.next.prev = p.prev
	} else {
		f.newest = p.prev
	}
	p.prev, p.next = nil, nil
}
