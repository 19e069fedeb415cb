package pipeline

import (
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
)

// To hold every pair back because another tap might show it costs memory, and most captures
// are of one tap. So that is done where something tells of several: a tunnel, or a packet that
// was seen twice.

// watched is how many packets a copyWatch remembers.
const watched = 1 << 10

// A copyWatch looks for a packet that another tap shows too: with the same addresses, ports and
// sequence number, but from another VLAN, from another MAC address, or with another time to
// live. It looks at those that begin a connection, and at few others. What is sent again another
// way looks alike, and does no harm: it is only looked for copies then.
type copyWatch struct{ marks []copyMark }

type copyMark struct {
	key   exchange.FlowKey
	clock int64
	seq   uint32
	size  int
	vlans uint32
	mac   [6]byte
	ttl   uint8
}

// shows notes s, and reports whether it was seen from another place shortly before.
func (w *copyWatch) shows(s *decap.Segment) bool {
	const few = 26 // one in 64
	scattered := s.Seq * 0x9e3779b1
	if s.Flags&decap.SYN == 0 && (scattered>>few != 0 || len(s.Payload()) == 0) || s.IsUDP() {
		return false
	}
	if w.marks == nil {
		w.marks = make([]copyMark, watched)
	}
	m := copyMark{key: tuple(s.Key), clock: s.Clock, seq: s.Seq, size: len(s.Payload()), vlans: s.VLANs, mac: s.SrcMAC, ttl: s.TTL}
	at := &w.marks[(scattered^uint32(m.key.HiPort)<<16^uint32(m.key.LoPort))*0x85ebca6b>>22]
	before := *at
	*at = m
	return before.key == m.key && before.seq == m.seq && before.size == m.size && m.clock-before.clock <= vantageTime &&
		(before.vlans != m.vlans || before.mac != m.mac || before.ttl != m.ttl)
}
