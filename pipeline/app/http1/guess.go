package http1

import (
	"bytes"
	"strings"

	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
)

// guessed undoes the codings that a whole body shows to be in, where undoing what value
// names has led nowhere. It reports whether there were any; how is then the outcome.
func (c *Conn) guessed(s *side, value string) (out *coding.Store, how coding.Outcome, ok bool) {
	lim := &c.env.Limits
	out = &coding.Store{Limit: max(0, lim.Body), Hash: lim.Hash}
	g := c.env.Decoder.Guess(out, value, s.store.Data, c.codingLimits())
	if len(g.Codings) == 0 {
		return nil, 0, false
	}
	a := &s.pair.Anomalies
	if list := coding.List(value); len(list) == 1 && list[0] == g.Codings[0] && s.coded {
		a.Add(exchange.AnomalyGzipHeader) // else it would have decoded
	} else {
		a.Add(exchange.AnomalyCEMismatch)
	}
	if g.BadTrailer {
		return out, coding.BadTrailer, true
	}
	return out, coding.Decoded, true
}

// corrected looks at what came of decoding a whole body as the head names it, and does
// better where the body itself tells how.
func (c *Conn) corrected(s *side, out *coding.Store, how coding.Outcome) (*coding.Store, coding.Outcome) {
	value := s.msg.ContentEncoding
	switch how {
	case coding.Broken:
		if c.env.Decoder.TrailerOnly(value, s.store.Data, c.codingLimits()) {
			return out, coding.BadTrailer
		}
	case coding.Mismatch, coding.Unknown:
		if better, how, ok := c.guessed(s, value); ok {
			return better, how
		}
	}
	return out, how
}

// undeclared undoes a coding that the head does not name, or names where careful readers
// do not look, and reports whether there is one. A body of which nothing is said stays as
// it is; that gzip comes under a type of text is named.
func (c *Conn) undeclared(s *side, now bool) bool {
	claims := s.framing.claims
	if claims == "" {
		if bytes.HasPrefix(s.store.Data, []byte("\x1f\x8b\x08")) && textual(s.msg.ContentType) {
			s.pair.Anomalies.Add(exchange.AnomalyCEMismatch) // the body stays as any reader gets it
		}
		return false
	}
	if !c.env.Limits.DecodeBodies || s.stream != nil || !s.store.Whole() {
		return false
	}
	out, how, ok := c.guessed(s, claims)
	if !ok {
		return false
	}
	if how == coding.BadTrailer {
		s.pair.Anomalies.Add(exchange.AnomalyGzipBadTrailer)
	}
	s.msg.BodySize = out.Size
	s.msg.BodySHA256, s.msg.Hashed = out.Sum()
	c.keepBody(s, out, now)
	return true
}

// textual reports whether a media type is one that people read: it is never gzip itself.
func textual(v string) bool {
	v, _, _ = strings.Cut(strings.ToLower(v), ";")
	v = strings.TrimSpace(v)
	return strings.HasPrefix(v, "text/") || strings.HasSuffix(v, "json") || strings.HasSuffix(v, "xml") || strings.HasSuffix(v, "javascript")
}
