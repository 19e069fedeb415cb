package http1

import (
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// stray collects what a server sends where a response should begin and none does.
type stray struct {
	on bool
	at []packet.Pos // the packets that carried it
}

func (s *stray) touch(at *packet.Pos) {
	if n := len(s.at); n == 0 || s.at[n-1].Number != at.Number {
		s.at = append(s.at, *at)
	}
}

// opening decides what begins at b, where the next response should. Where it is no
// response, b is looked through for one, and kept: if none comes, it is all the answer
// there is, as in HTTP/0.9.
func (c *Conn) opening(s *side, at *packet.Pos, b []byte, last bool) []byte {
	v := DetectResponse(b)
	old := v == No && c.answersOld()
	if v == No && !old {
		if v = oddStart(b, last); v == No {
			s.state, s.gapped, s.anywhere = lost, false, true
			s.stray.on = true
			s.store.Reset()
			s.store.Limit, s.store.Hash, s.room = max(0, c.env.Limits.Body), c.env.Limits.Hash, 0
			return b
		}
	}
	switch {
	case v == More && !last:
		s.part = b
		return nil
	case v == More && len(b) == 0:
		s.state = atStart
		return nil
	case v == More: // too little to tell a message from junk
		s.state, s.stray.at = lost, nil
		c.skip(s, b)
		return nil
	}
	c.begin(exchange.ToClient, s, at)
	s.checked = true
	if old {
		c.oldBody(s)
	}
	return b
}

// endStray makes what was collected the response to the oldest open request, or a
// response of its own where there is none; bad says that it is not whole.
func (c *Conn) endStray(s *side, at *packet.Pos, bad bool) {
	if !s.stray.on {
		return
	}
	c.skip(s, s.part)
	places, store := s.stray.at, s.store
	s.stray, s.part, s.store.Data = stray{}, nil, nil
	if store.Size == 0 {
		return
	}
	c.tally.Unparsed -= store.Size
	c.tally.HTTP += store.Size
	s.junk = 0
	c.begin(exchange.ToClient, s, &places[0])
	for i := range places {
		c.touch(s, &places[i])
	}
	if s.pair.Request.Present {
		s.pair.Anomalies.Add(exchange.AnomalyBadStatusLine)
	} else {
		s.pair.Anomalies.Add(exchange.AnomalyUnexpectedBody)
	}
	s.pair.Response.Version = "HTTP/0.9"
	s.framing = framing{}
	s.store, s.coded, s.holed = store, false, false
	s.msg.HasBody, s.wire = true, store.Size
	c.done(exchange.ToClient, s, at, bad)
	s.state = lost
}
