package pcaptest

import (
	"io"
	"testing"

	"recap/reader/packet"
)

// Batch returns all packets of the text in one batch with one reference.
func Batch(t testing.TB, text string, opts ...Option) *packet.Batch {
	t.Helper()
	pkts, err := Packets(text, opts...)
	if err != nil {
		t.Fatal(err)
	}
	b := packet.NewHeaderPool().Get()
	b.Packets = toPackets(pkts)
	return b
}

func toPackets(pkts []Packet) []packet.Packet {
	out := make([]packet.Packet, len(pkts))
	for i, p := range pkts {
		out[i] = packet.Packet{
			Data: p.Data, TimeNS: p.TimeNS, Number: int64(i + 1), FileNum: int64(i + 1), Offset: int64(i),
			Length: p.Length, Interface: int32(p.Interface), Link: p.Link,
		}
		if p.NoTime {
			out[i].TimeNS = packet.NoTime
		}
	}
	return out
}

// Source returns the packets of the text as a source, size packets to a batch (0:
// all in one). It spares tests of what comes after reading the detour over a file.
func Source(t testing.TB, text string, size int, opts ...Option) packet.Source {
	t.Helper()
	pkts, err := Packets(text, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{left: toPackets(pkts), size: size, pool: packet.NewHeaderPool()}
	if size <= 0 {
		s.size = max(1, len(pkts))
	}
	in := &packet.Input{Name: "text", Format: "text", FirstNS: packet.NoTime, LastNS: packet.NoTime}
	for _, p := range s.left {
		for len(in.Interfaces) <= int(p.Interface) {
			in.Interfaces = append(in.Interfaces, packet.Interface{Link: p.Link, Received: -1, Drops: -1})
		}
	}
	s.inputs = []*packet.Input{in}
	return s
}

type source struct {
	left   []packet.Packet
	size   int
	pool   *packet.Pool
	inputs []*packet.Input
}

func (s *source) Next() (*packet.Batch, error) {
	if len(s.left) == 0 {
		return nil, io.EOF
	}
	b := s.pool.Get()
	n := min(s.size, len(s.left))
	b.Packets = append(b.Packets, s.left[:n]...)
	s.left = s.left[n:]
	in := s.inputs[0]
	for _, p := range b.Packets {
		in.Packets++
		in.CapturedLen += int64(len(p.Data))
		in.Interfaces[p.Interface].Packets++
		if p.TimeNS == packet.NoTime {
			continue
		}
		if in.FirstNS == packet.NoTime || p.TimeNS < in.FirstNS {
			in.FirstNS = p.TimeNS
		}
		in.LastNS = max(in.LastNS, p.TimeNS)
	}
	return b, nil
}

func (s *source) Inputs() []*packet.Input { return s.inputs }
func (s *source) Close() error            { s.left = nil; return nil }
