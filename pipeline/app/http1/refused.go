package http1

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// refuse notes that the request being read has its whole response. A client that waited
// for 100 (Continue) may then leave the body out (RFC 9110, section 10.1.1).
func (s *side) refuse() {
	if s.framing.expect100 && s.wire == 0 && len(s.part) == 0 && (s.state == inLength || s.state == inChunkSize) {
		s.state = refused
	}
}

// withheld decides whether b is the body of a request that was answered before it came,
// or the next request.
func (c *Conn) withheld(s *side, at *packet.Pos, b []byte, last bool) []byte {
	v := DetectRequest(b)
	switch {
	case v == More && !last:
		s.part = b
		return nil
	case v == Yes && StrictStart(exchange.ToServer, b):
		s.pair.Anomalies.Add(exchange.AnomalyShortBody)
		if f := &s.framing; f.n > 0 && !f.chunked {
			c.otherwise(exchange.ToServer, s, exchange.FramingLength, f.lengths[0])
		}
		c.done(exchange.ToServer, s, at, true)
		return b
	}
	c.touchHeld(s)
	if s.state = inChunkSize; s.remain > 0 {
		s.state = inLength
	}
	return b
}
