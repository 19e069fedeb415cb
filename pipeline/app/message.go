package app

import (
	"slices"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A LastFile is the input of the packet that was noted last. The zero LastFile is of none.
type LastFile struct {
	index int32
	known bool
}

// Touch notes that the packet at at carries part of message m of p; last is of the packet
// that was noted before it.
func (e *Env) Touch(p *exchange.Pair, m *exchange.Message, last *LastFile, at *packet.Pos) {
	if n := len(m.Packets); n == 0 || m.Packets[n-1] != at.Number {
		if n == 0 {
			m.TimeNS, m.EndTimeNS, m.Clock = at.TimeNS, at.TimeNS, at.Clock
		}
		m.EndTimeNS = max(m.EndTimeNS, at.TimeNS)
		if n == 0 || m.Packets[n-1] < at.Number {
			m.Packets = append(m.Packets, at.Number)
		} else if i, ok := slices.BinarySearch(m.Packets, at.Number); !ok { // came out of order
			m.Packets = slices.Insert(m.Packets, i, at.Number)
		}
		if now := (LastFile{at.FileIndex, true}); *last != now {
			*last = now
			if name := e.FileName(at.FileIndex); !slices.Contains(p.Files, name) {
				p.Files = append(p.Files, name)
			}
		}
	}
	AddOddities(&p.Anomalies, at)
}

// AddGap adds the reason for which bytes are missing.
func AddGap(a *exchange.Anomalies, reason string) {
	switch reason {
	case exchange.GapSnaplen:
		a.Add(exchange.AnomalySnaplenCut)
	case exchange.GapMirrorTruncated:
		a.Add(exchange.AnomalyMirrorTruncated)
	default:
		a.Add(exchange.AnomalyLostSegment)
	}
}

// EndBody notes what of a body the limit kept from being stored, once its size is known.
func (l *Limits) EndBody(m *exchange.Message, a *exchange.Anomalies) {
	over := m.BodySize - int64(len(m.Body))
	for _, g := range m.Gaps {
		over -= max(0, g.Length)
	}
	if over > 0 && l.Body >= 0 {
		a.Add(exchange.AnomalyBodyLimit)
		m.Gaps = append(m.Gaps, exchange.Gap{Offset: m.BodySize - over, Length: over, Reason: exchange.GapLimit})
	}
}
