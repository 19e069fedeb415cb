package wire

import (
	"context"
	"encoding/binary"
	"time"

	"recap/reader/packet"
	"recap/replay"
)

// A tape is the state of sending captured packets.
type tape struct {
	loop  uint32
	begun bool
	first int64         // capture time of the first packet of the loop
	base  time.Duration // when the loop began
	last  time.Duration
}

// loopGap is between the last packet of a loop and the first of the next.
const loopGap = time.Millisecond

// SendPackets implements [replay.PacketTarget]. A packet goes as it is, with the
// Ethernet header that its link layer lacks; what has none and cannot get one, is
// left out and counted, and so is what is too large (see [Options.Oversize]).
func (t *Target) SendPackets(ctx context.Context, b *packet.Batch, loop uint32) error {
	for i := range b.Packets {
		p := &b.Packets[i]
		at := int64(t.tape.at(p, loop))
		if p.TimeNS != packet.NoTime {
			t.epoch(p.TimeNS - at)
		}
		f, why := frameOf(p)
		if why == "" && len(f.data)+f.added > t.port.MTU()+etherLen {
			if t.opt.Oversize == LeaveOut {
				why = replay.CountPacketsTooLarge
			} else {
				f.data = f.data[:t.port.MTU()+etherLen-f.added]
				t.env.Count("packets_cut", 1)
			}
		}
		if why != "" {
			t.env.Count(why, 1)
			continue
		}
		if err := t.roomFor(ctx, at); err != nil {
			return err
		}
		t.frames = append(t.frames, f)
		t.now = max(t.now, at)
		t.frames[len(t.frames)-1].at = t.now
		t.count(1, len(f.data)+f.added)
	}
	return t.flushPackets(ctx)
}

// at is the time of p in the run.
func (s *tape) at(p *packet.Packet, loop uint32) time.Duration {
	known := p.TimeNS != packet.NoTime
	if !s.begun || loop != s.loop {
		s.base = 0
		if s.begun {
			s.base = s.last + loopGap
		}
		s.begun, s.loop, s.first, s.last = true, loop, p.TimeNS, s.base
	}
	if known && s.first == packet.NoTime {
		s.first = p.TimeNS - int64(s.last-s.base)
	}
	if known {
		// Packets of a capture may stand out of order; they are sent in its order.
		s.last = max(s.last, s.base+time.Duration(p.TimeNS-s.first))
	}
	return s.last
}

func (t *Target) roomFor(ctx context.Context, at int64) error {
	if len(t.frames) > 0 && (t.amount.Packets >= uint64(t.burst.packets) || at-t.frames[0].at > t.burst.span) {
		return t.flushPackets(ctx)
	}
	return nil
}

// flushPackets waits for the time of the burst and sends it.
func (t *Target) flushPackets(ctx context.Context) error {
	if len(t.frames) == 0 {
		return nil
	}
	defer func() {
		clear(t.frames)
		t.frames, t.amount = t.frames[:0], replay.Amount{}
	}()
	intended, err := t.env.Wait(ctx, time.Duration(t.frames[0].at), t.amount)
	if err != nil {
		return err
	}
	t.burst.learn(intended - t.started)
	t.started = intended
	for i := range t.frames {
		f := &t.frames[i]
		r := Route{Hash: f.hash, At: time.Duration(f.at), VNI: t.opt.FirstVNI + uint32(f.hash>>32)%(t.opt.LastVNI-t.opt.FirstVNI+1)}
		room := t.port.Frame(&r, len(f.data)+f.added, int32(i))
		copy(room, f.head[:f.added])
		copy(room[f.added:], f.data)
	}
	lost := int64(0)
	err = t.port.Flush(ctx, func(int32, error) { lost++ })
	if lost > 0 {
		t.env.Count(replay.CountPacketsNotAccepted, lost)
	}
	t.tell()
	return err
}

// A frame is a captured packet as it is to be sent.
type frame struct {
	data  []byte
	head  [etherLen]byte // in front of data,
	added int            // so many bytes of it
	hash  uint64
	at    int64
}

// frameOf returns p as an Ethernet frame, or why there is none.
func frameOf(p *packet.Packet) (f frame, why string) {
	b := p.Data
	if n := len(b) - int(p.FCSLen); p.FCSLen > 0 && n > 0 && !p.Truncated() {
		b = b[:n]
	}
	const left = replay.CountPacketsLeftOut + "link_type"
	var ip []byte
	var typ uint16
	switch p.Link {
	case packet.LinkEthernet:
		if len(b) < etherLen {
			return f, replay.CountPacketsLeftOut + "too_short"
		}
		f.data = b
		typ, ip = etherType(b)
		f.hash = hashOf(typ, ip)
		return f, ""
	case packet.LinkRaw, packet.LinkRawBSD, packet.LinkRawOBSD, packet.LinkIPv4, packet.LinkIPv6:
		ip = b
	case packet.LinkNull, packet.LinkLoop:
		if len(b) < 4 {
			return f, left
		}
		ip = b[4:]
	case packet.LinkSLL:
		if len(b) < 16 {
			return f, left
		}
		typ, ip = binary.BigEndian.Uint16(b[14:]), b[16:]
	case packet.LinkSLL2:
		if len(b) < 20 {
			return f, left
		}
		typ, ip = binary.BigEndian.Uint16(b), b[20:]
	default:
		return f, left
	}
	if typ == 0 {
		if typ = ipType(ip); typ == 0 {
			return f, left
		}
	}
	f.data, f.added = ip, etherLen
	copy(f.head[:], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(f.head[12:], typ)
	f.hash = hashOf(typ, ip)
	return f, ""
}

// ipType is the EtherType of an IP packet, by its version.
func ipType(ip []byte) uint16 {
	if len(ip) == 0 {
		return 0
	}
	switch ip[0] >> 4 {
	case 4:
		return 0x0800
	case 6:
		return 0x86dd
	}
	return 0
}

// etherType steps over VLAN tags.
func etherType(b []byte) (uint16, []byte) {
	typ, rest := binary.BigEndian.Uint16(b[12:]), b[14:]
	for (typ == 0x8100 || typ == 0x88a8) && len(rest) >= 4 {
		typ, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	return typ, rest
}

// hashOf is the flow hash of an IP packet, by its addresses, and ports where every
// packet of the flow has them; 0 for others.
func hashOf(typ uint16, ip []byte) uint64 {
	var a, b [16]byte
	var l4 []byte
	switch {
	case typ == 0x0800 && len(ip) >= 20:
		copy(a[12:], ip[12:16])
		copy(b[12:], ip[16:20])
		a[10], a[11], b[10], b[11] = 0xff, 0xff, 0xff, 0xff
		if n := int(ip[0]&15) * 4; n >= 20 && binary.BigEndian.Uint16(ip[6:])&0x3fff == 0 && len(ip) >= n+4 && (ip[9] == 6 || ip[9] == 17) {
			l4 = ip[n:]
		}
	case typ == 0x86dd && len(ip) >= 40:
		copy(a[:], ip[8:24])
		copy(b[:], ip[24:40])
		if len(ip) >= 44 && (ip[6] == 6 || ip[6] == 17) {
			l4 = ip[40:]
		}
	default:
		return 0
	}
	if l4 == nil {
		return flowHash(&a, &b, 0, 0)
	}
	return flowHash(&a, &b, binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:]))
}
