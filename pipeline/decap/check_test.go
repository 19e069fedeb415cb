package decap

import (
	"bytes"
	"testing"

	"recap/reader/packet"
)

// checkDecode decodes p with d and with slow, which takes no fast path, and checks
// what must hold for every packet.
func checkDecode(t *testing.T, d, slow *Decoder, p *packet.Packet) (Disposition, *Segment) {
	t.Helper()
	var s, o Segment
	disp := d.Decode(p, &s)
	if other := slow.Decode(p, &o); other != disp {
		t.Fatalf("packet %d: Decode = %v, without the fast path %v", p.Number, disp, other)
	}
	if disp != DispTCP {
		if d.More() {
			t.Fatalf("packet %d: Decode = %v, and there is more", p.Number, disp)
		}
		return disp, &s
	}
	if !sameSegment(&s, &o) {
		t.Fatalf("packet %d: Decode = %+v\nwithout the fast path %+v", p.Number, s, o)
	}
	checkSegment(t, d, p, &s)
	for n := 1; ; n++ {
		var s, o Segment
		more := d.Next(&s)
		if slow.Next(&o) != more || !sameSegment(&s, &o) {
			t.Fatalf("packet %d: Next = %t, %+v\nwithout the fast path %+v", p.Number, more, s, o)
		}
		if !more {
			break
		}
		if checkSegment(t, d, p, &s); s.Info&Further == 0 || s.Number != p.Number || s.TimeNS != p.TimeNS || 14*n > len(p.Data) {
			t.Fatalf("packet %d: Next = %+v, the %dth", p.Number, s, n)
		}
	}
	return disp, &s
}

// checkSegment checks what must hold for every segment of p.
func checkSegment(t *testing.T, d *Decoder, p *packet.Packet, s *Segment) {
	t.Helper()
	if len(s.TCP) < 20 || int(s.HeaderLen) < 20 || int(s.HeaderLen) > len(s.TCP) {
		t.Fatalf("packet %d: TCP of %d bytes with a header of %d", p.Number, len(s.TCP), s.HeaderLen)
	}
	if s.Info&Reassembled == 0 && !within(s.TCP, p.Data) {
		t.Fatalf("packet %d: the segment is not part of the packet", p.Number)
	}
	if (s.Missing > 0) != (s.Info&(CutByMirror|CutBySnaplen) != 0) {
		t.Fatalf("packet %d: %d bytes missing, info %b", p.Number, s.Missing, s.Info)
	}
	if n := len(d.Stack(s.Stack)) + len(d.VLANStack(s.VLANs)); n > d.opt.MaxDepth {
		t.Fatalf("packet %d: %d encapsulations, limit %d", p.Number, n, d.opt.MaxDepth)
	}
	for _, tunnel := range d.Tunnels(s.Stack, s.Outer()) {
		if tunnel.Options != nil && tunnel.Type != geneveName {
			t.Fatalf("packet %d: options in %s", p.Number, tunnel.Type)
		}
	}
	s.ChecksumOK()
}

// sameSegment reports whether two segments tell the same.
func sameSegment(a, b *Segment) bool {
	x, y := *a, *b
	x.TCP, y.TCP = nil, nil
	return bytes.Equal(a.TCP, b.TCP) && bytes.Equal(a.Outer(), b.Outer()) && equalSegments(x, y)
}

func equalSegments(a, b Segment) bool {
	return a.Key == b.Key && a.Number == b.Number && a.TimeNS == b.TimeNS && a.Clock == b.Clock && a.Missing == b.Missing &&
		a.Seq == b.Seq && a.Ack == b.Ack && a.TSVal == b.TSVal && a.Stack == b.Stack && a.VLANs == b.VLANs &&
		a.Interface == b.Interface && a.FileIndex == b.FileIndex && a.Window == b.Window && a.IPID == b.IPID &&
		a.HeaderLen == b.HeaderLen && a.TTL == b.TTL && a.Flags == b.Flags && a.Info == b.Info &&
		a.SrcMAC == b.SrcMAC && a.DstMAC == b.DstMAC
}

// within reports whether part is a part of whole's memory.
func within(part, whole []byte) bool {
	// The part reaches to the end of its memory or not, but its capacity tells
	// where it starts: slices of one array share the end of their capacity.
	off := cap(whole) - cap(part)
	return off >= 0 && off+len(part) <= len(whole) && &whole[:cap(whole)][off] == &part[0]
}

// checkSum checks that every packet has exactly one disposition.
func checkSum(t *testing.T, d *Decoder, packets int64) {
	t.Helper()
	m := make(map[string]int64)
	d.AddTo(m)
	sum := d.Counts().TCP
	for _, n := range m {
		sum += n
	}
	if sum != packets || d.Counts().Packets != packets {
		t.Errorf("%d dispositions of %d packets counted, want %d", sum, d.Counts().Packets, packets)
	}
}
