package pipeline

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// IP protocols.
const (
	protoTCP = 6
	protoUDP = 17
)

// origin is what a connection's first packet tells of it.
type origin struct {
	key exchange.FlowKey
	// client is the side that asks; 0 or 1, guessed until known.
	client int
	first  packet.Pos
	mac    [2][6]byte
	hasMAC bool
	stack  uint32
	vlans  uint32
	outer  []byte // see decap.Segment
	file   int32
	iface  int32
}

func newOrigin(s *decap.Segment, side int) origin {
	o := origin{key: s.Key, stack: s.Stack, vlans: s.VLANs, file: s.FileIndex, iface: s.Interface, outer: slices.Clone(s.Outer())}
	o.first = packet.Pos{Number: s.Number, TimeNS: s.TimeNS}
	if s.Info&decap.HasMAC != 0 {
		o.mac[side], o.mac[1-side], o.hasMAC = s.SrcMAC, s.DstMAC, true
	}
	return o
}

func (o *origin) dir(side int) exchange.Dir {
	if side == o.client {
		return exchange.ToServer
	}
	return exchange.ToClient
}

// describe returns what the pairs of the connection share.
func (o *origin) describe(w *worker, proto byte) *exchange.Conn {
	ends := [2]exchange.Endpoint{
		{IP: exchange.Addr(o.key.Lo, o.key.V6), Port: o.key.LoPort, MAC: o.mac[0], HasMAC: o.hasMAC},
		{IP: exchange.Addr(o.key.Hi, o.key.V6), Port: o.key.HiPort, MAC: o.mac[1], HasMAC: o.hasMAC},
	}
	info := &exchange.Conn{
		CommunityID: communityID(&o.key, proto),
		Client:      ends[o.client],
		Server:      ends[1-o.client],
		Tunnels:     w.dec.Tunnels(o.stack, o.outer),
		VLANs:       w.dec.VLANStack(o.vlans),
		Interface:   w.names.iface(o.file, o.iface),
	}
	info.ID = flowID(&o.key, info.Tunnels, o.first)
	return info
}

// flowID names a connection by its addresses, its tunnels, and where it begins in the capture.
func flowID(k *exchange.FlowKey, tunnels []exchange.Tunnel, first packet.Pos) (id exchange.ID) {
	b := make([]byte, 0, 128)
	b = append(append(b, k.Lo[:]...), k.Hi[:]...)
	b = binary.BigEndian.AppendUint16(b, k.LoPort)
	b = binary.BigEndian.AppendUint16(b, k.HiPort)
	for _, t := range tunnels {
		b = append(b, t.Type...)
		b = binary.BigEndian.AppendUint64(b, uint64(t.ID))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(first.TimeNS))
	b = binary.BigEndian.AppendUint64(b, uint64(first.Number))
	if first.Offset != 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(first.Offset))
	}
	sum := sha256.Sum256(b)
	copy(id[:], sum[:])
	return id
}

// communityID is the Community ID v1 of the 5-tuple with seed 0
// (https://github.com/corelight/community-id-spec).
func communityID(k *exchange.FlowKey, proto byte) string {
	b := make([]byte, 0, 40)
	b = append(b, 0, 0)
	for _, a := range [2][16]byte{k.Lo, k.Hi} {
		b = append(b, exchange.Addr(a, k.V6).AsSlice()...)
	}
	b = append(b, proto, 0)
	b = binary.BigEndian.AppendUint16(b, k.LoPort)
	b = binary.BigEndian.AppendUint16(b, k.HiPort)
	sum := sha1.Sum(b)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
