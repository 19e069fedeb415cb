package pipeline

import (
	"cmp"
	"net/netip"
	"slices"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Health is what a reading noticed of how well the capture was taken. It counts and
// says where to look; what follows from it is for others to say. Its size does not
// depend on the capture's.
type Health struct {
	Lost      Sighting // holes in TCP streams; bytes where it is known how many
	LostConns int64    // connections that have some
	// OneWay are connections with payload of which the capture has one direction;
	// bytes of payload.
	OneWay Sighting
	// Snapped are packets cut by the snap length, MirrorCut TCP segments cut before
	// the capture; bytes missing.
	Snapped       Sighting
	SnapLengths   []LengthCount // captured lengths of the former, most frequent first
	MirrorCut     Sighting
	MirrorLengths []LengthCount
	// Dropped are packets in front of which the capture itself says that others were
	// dropped; bytes are the number of those.
	Dropped   Sighting
	Fragments Sighting // IP fragments other than the last of their datagram; captured bytes
	// Incomplete are datagrams that came in fragments, and not all of them; no bytes.
	Incomplete Sighting
	// OuterFragments are datagrams that a tunnel put around the inner ones and that
	// were cut into fragments; bytes of the largest one of those.
	OuterFragments Sighting
	Copies         Sighting // packets that another tap, or a mirror, had given before; payload bytes
	Encrypted      Sighting // TLS and QUIC connections that were not decrypted; payload bytes
	Forward        Jump     // steps of capture time by more than an hour
	Backward       Jump     // steps back by more than a second

	Protocols []ProtocolCount // by bytes on the wire, most first
	Ports     []PortCount     // TCP server ports, by bytes on the wire, most first
	UDPPorts  []PortCount     // QUIC servers', or the lower port
	Talkers   []Talker        // hosts by bytes on the wire, at most [MaxTalkers]
	Hosts     int64           // hosts told apart
	// HostsExact is false where there were more hosts than are told apart: Talkers
	// may then count too much, by at most Talker.Over.
	HostsExact bool
}

// A Sighting counts what was seen, and where first.
type Sighting struct {
	Count   int64
	Bytes   int64
	Packets []int64 // numbers of the first packets that show it, rising
}

// A Jump is a Sighting of steps of time.
type Jump struct {
	Count   int64
	Largest int64 // nanoseconds
	Packets []int64
}

// LengthCount is how many packets have a length.
type LengthCount struct{ Length, Packets int64 }

// ProtocolCount is what a protocol took of the capture.
type ProtocolCount struct {
	Name        string
	Connections int64 // 0 for what has none
	Packets     int64
	Wire        int64 // bytes on the wire, whole frames
	Payload     int64 // TCP payload bytes
}

// PortCount is what the connections to a port took of the capture.
type PortCount struct {
	Port        uint16
	Protocols   []string
	Connections int64
	Pairs       int64
	Packets     int64
	Wire        int64
	First       int64 // number of the first packet
}

// A Talker is a host and what it sent and received.
type Talker struct {
	Addr    netip.Addr
	Packets int64
	Wire    int64
	Over    int64 // of Wire, at most so much is another host's
}

// MaxTalkers bounds Health.Talkers, MaxPorts Health.Ports and UDPPorts.
const (
	MaxTalkers = 100
	MaxPorts   = 1000
)

// sightings is how many packets a Sighting names.
const sightings = 5

// sight makes a Sighting. Numbers may come in any order.
type sight struct {
	count, bytes int64
	n            int
	first        [sightings]int64
}

func (s *sight) add(number, bytes int64) {
	s.count++
	s.bytes += bytes
	if s.n == sightings && number >= s.first[sightings-1] {
		return
	}
	s.note(number)
}

func (s *sight) note(number int64) {
	i, found := slices.BinarySearch(s.first[:s.n], number)
	if found {
		return
	}
	if s.n < sightings {
		s.n++
	} else if i == sightings {
		return
	}
	copy(s.first[i+1:s.n], s.first[i:])
	s.first[i] = number
}

func (s *sight) merge(t *sight) {
	s.count += t.count
	s.bytes += t.bytes
	for _, n := range t.first[:t.n] {
		s.note(n)
	}
}

func (s *sight) public() Sighting {
	return Sighting{s.count, s.bytes, slices.Clone(s.first[:s.n])}
}

// lengths counts packets by length; beyond as many as fit, lengths are not told apart.
type lengths struct {
	n     int
	table [32]LengthCount
}

func (l *lengths) add(length int64) {
	for i := range l.table[:l.n] {
		if l.table[i].Length == length {
			l.table[i].Packets++
			return
		}
	}
	if l.n < len(l.table) {
		l.table[l.n] = LengthCount{length, 1}
		l.n++
	}
}

func (l *lengths) public() []LengthCount {
	list := slices.Clone(l.table[:l.n])
	slices.SortFunc(list, func(a, b LengthCount) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Length, b.Length))
	})
	return list
}

// frameHealth is what the dispatcher notes of packets.
type frameHealth struct {
	snapped, mirror, frags, outer sight
	dropped                       sight
	snapLens, mirrorLens          lengths
	forward, backward             sight
	forwardMost, backwardMost     int64
	other                         [4]ProtocolCount // udp, other ip, non-ip, undecodable
	udp                           map[uint16]*PortCount
	talkers                       talkers
	times                         [][]int64 // of the last packet, by input and interface
}

// Steps of time that are told: those that the capture clock does not follow, and
// those back that are no mere reordering; nanoseconds.
const (
	forwardStep  = 3600 * second
	backwardStep = second
)

// packet notes p, which was decoded to s, or to nothing.
func (h *frameHealth) packet(p *packet.Packet, s *decap.Segment, disp decap.Disposition, dec *decap.Decoder) {
	if p.Truncated() {
		h.snapped.add(p.Number, int64(p.Length)-int64(len(p.Data)))
		h.snapLens.add(int64(len(p.Data)))
	}
	if p.Dropped > 0 {
		h.dropped.add(p.Number, int64(p.Dropped))
	}
	if disp != decap.DispTCP && disp != decap.DispDatagram {
		h.noSegment(p, disp, dec)
	} else if s.Info&(decap.CutByMirror|decap.Reassembled) != 0 {
		h.odd(p, s, dec)
	}
	if p.TimeNS != packet.NoTime {
		h.time(p)
	}
}

func (h *frameHealth) odd(p *packet.Packet, s *decap.Segment, dec *decap.Decoder) {
	if s.Info&decap.CutByMirror != 0 {
		h.mirror.add(p.Number, int64(s.Missing))
		h.mirrorLens.add(int64(len(p.Data)))
	}
	if s.Info&decap.Reassembled == 0 || s.Stack == 0 {
		return
	}
	for _, piece := range dec.Pieces() {
		if piece.Last && piece.Of.Stack == 0 {
			h.outer.add(p.Number, 0)
			h.outer.bytes = max(h.outer.bytes, int64(len(s.TCP)))
		}
	}
}

func (h *frameHealth) noSegment(p *packet.Packet, disp decap.Disposition, dec *decap.Decoder) {
	i := 3
	switch disp {
	case decap.DispUDP:
		i = 0
	case decap.DispOtherIP, decap.DispFragmentHeld:
		i = 1
	case decap.DispNonIP:
		i = 2
	}
	wire := wireLength(p)
	h.other[i].Packets++
	h.other[i].Wire += wire
	if disp == decap.DispFragmentHeld {
		h.frags.add(p.Number, int64(len(p.Data)))
		return
	}
	in := dec.Inside()
	if !in.HasIP || disp.Undecodable() {
		return
	}
	h.talkers.talk(exchange.Addr(in.Src, in.V6), exchange.Addr(in.Dst, in.V6), 1, wire)
	if disp == decap.DispUDP {
		if h.udp == nil {
			h.udp = make(map[uint16]*PortCount)
		}
		port := min(in.SrcPort, in.DstPort)
		c := h.udp[port]
		if c == nil {
			c = &PortCount{Port: port, Protocols: []string{"udp"}, First: p.Number}
			h.udp[port] = c
		}
		c.Packets++
		c.Wire += wire
	}
}

func (h *frameHealth) time(p *packet.Packet) {
	file, iface := int(p.FileIndex), int(max(p.Interface, 0))
	if file >= len(h.times) || iface >= len(h.times[file]) {
		h.room(file, iface)
	}
	last := &h.times[file][iface]
	if step := p.TimeNS - *last; step < -backwardStep || step > forwardStep {
		h.jump(p.Number, *last, p.TimeNS)
	}
	*last = p.TimeNS
}

// room makes room for the times of an interface. Inputs describe few thousands of them.
func (h *frameHealth) room(file, iface int) {
	for len(h.times) <= file {
		h.times = append(h.times, nil)
	}
	for len(h.times[file]) <= iface {
		h.times[file] = append(h.times[file], packet.NoTime)
	}
}

func (h *frameHealth) jump(number, from, to int64) {
	switch step := to - from; {
	case from == packet.NoTime:
	case to > from:
		if step < 0 {
			step = 1<<63 - 1 // more than 292 years
		}
		if step > forwardStep {
			h.forward.add(number, 0)
			h.forwardMost = max(h.forwardMost, step)
		}
	default:
		if step > 0 {
			step = -(1<<63 - 1)
		}
		if step < -backwardStep {
			h.backward.add(number, 0)
			h.backwardMost = max(h.backwardMost, -step)
		}
	}
}

// wireLength is the length of p on the wire; damaged captures say less than they hold.
func wireLength(p *packet.Packet) int64 { return max(int64(p.Length), int64(len(p.Data))) }

// streamHealth is what a worker notes of streams.
type streamHealth struct{ lost, copies sight }

// lostBytes is a hole in a stream, and the packet that shows it.
type lostBytes struct{ number, bytes int64 }

// tell notes the hole, if there is one, and forgets it.
func (l *lostBytes) tell(to *sight) {
	if l.number != 0 {
		to.add(l.number, l.bytes)
		*l = lostBytes{}
	}
}

// copied notes a connection that held nothing but copies, in packets that were not
// noted as such before.
func (h *streamHealth) copied(c *conn, packets int64) {
	if packets <= 0 {
		return
	}
	h.copies.add(c.first.Number, 0)
	h.copies.count += packets - 1
	for i := range c.tcp.Halves {
		h.copies.bytes += c.tcp.Halves[i].DeliveredBytes
	}
}

// flowHealth is what the rows of connections tell, in output order.
type flowHealth struct {
	oneWay, encrypted sight
	lostConns         int64
	protocols         map[string]*ProtocolCount
	ports, quic       map[uint16]*PortCount
	talkers           talkers
}

func (h *flowHealth) flows(list []*exchange.Flow) {
	for _, f := range list {
		h.flow(f)
	}
}

func (h *flowHealth) flow(f *exchange.Flow) {
	if h.protocols == nil {
		h.protocols, h.ports, h.quic = make(map[string]*ProtocolCount), make(map[uint16]*PortCount), make(map[uint16]*PortCount)
	}
	a, b := &f.Sides[0], &f.Sides[1]
	packets, wire, payload := a.Packets+b.Packets, a.WireBytes+b.WireBytes, a.Bytes+b.Bytes
	if payload > 0 && (a.Packets == 0 || b.Packets == 0) {
		h.oneWay.add(f.FirstPacket, payload)
	}
	if f.Anomalies.Has(exchange.AnomalyLostSegment) {
		h.lostConns++
	}
	if (f.Protocol == "tls" || f.Protocol == "quic") && f.Pairs == 0 && (f.Conn.TLS == nil || !f.Conn.TLS.Decrypted) {
		h.encrypted.add(f.FirstPacket, payload)
	}
	c := h.protocols[f.Protocol]
	if c == nil {
		c = &ProtocolCount{Name: f.Protocol}
		h.protocols[f.Protocol] = c
	}
	c.Connections++
	c.Packets += packets
	c.Wire += wire
	c.Payload += payload
	ports := h.ports
	if f.Protocol == "quic" {
		ports = h.quic
	}
	port := ports[f.Conn.Server.Port]
	if port == nil {
		port = &PortCount{Port: f.Conn.Server.Port, First: f.FirstPacket}
		ports[f.Conn.Server.Port] = port
	}
	if len(port.Protocols) < 8 && !slices.Contains(port.Protocols, f.Protocol) {
		port.Protocols = append(port.Protocols, f.Protocol)
	}
	port.Connections++
	port.Pairs += f.Pairs
	port.Packets += packets
	port.Wire += wire
	port.First = min(port.First, f.FirstPacket)
	h.talkers.talk(f.Conn.Client.IP, f.Conn.Server.IP, packets, wire)
}

// health puts together what everybody noted.
func health(d *frameHealth, o *flowHealth, workers []*worker, dec *decap.Decoder) Health {
	var lost, copies sight
	for _, w := range workers {
		lost.merge(&w.health.lost)
		copies.merge(&w.health.copies)
	}
	fragments := dec.Counts().Fragments
	h := Health{
		Lost: lost.public(), LostConns: o.lostConns, OneWay: o.oneWay.public(),
		Snapped: d.snapped.public(), SnapLengths: d.snapLens.public(),
		MirrorCut: d.mirror.public(), MirrorLengths: d.mirrorLens.public(),
		Dropped: d.dropped.public(), Fragments: d.frags.public(), OuterFragments: d.outer.public(),
		Incomplete: Sighting{Count: fragments.Incomplete(), Packets: dec.FirstIncomplete()},
		Copies:     copies.public(), Encrypted: o.encrypted.public(),
		Forward:  Jump{d.forward.count, d.forwardMost, d.forward.public().Packets},
		Backward: Jump{d.backward.count, d.backwardMost, d.backward.public().Packets},
		Ports:    ports(o.ports), UDPPorts: ports(joined(o.quic, d.udp)),
	}
	for _, c := range o.protocols {
		h.Protocols = append(h.Protocols, *c)
	}
	for i, name := range [...]string{exchange.PacketUDP, exchange.PacketOtherIP, exchange.PacketNonIP, "undecodable"} {
		if c := d.other[i]; c.Packets > 0 {
			c.Name = name
			h.Protocols = append(h.Protocols, c)
		}
	}
	slices.SortFunc(h.Protocols, func(a, b ProtocolCount) int {
		return cmp.Or(cmp.Compare(b.Wire, a.Wire), cmp.Compare(a.Name, b.Name))
	})
	all := o.talkers
	all.join(&d.talkers)
	h.Talkers, h.Hosts, h.HostsExact = all.top(MaxTalkers), int64(len(all.list)), !all.crowded
	return h
}

// joined adds what b counted to a, which may be nil.
func joined(a, b map[uint16]*PortCount) map[uint16]*PortCount {
	if len(a) == 0 {
		return b
	}
	for port, c := range b {
		to := a[port]
		if to == nil {
			a[port] = c
			continue
		}
		to.Protocols = append(to.Protocols, c.Protocols...)
		to.Packets += c.Packets
		to.Wire += c.Wire
		to.First = min(to.First, c.First)
	}
	return a
}

func ports(m map[uint16]*PortCount) []PortCount {
	list := make([]PortCount, 0, len(m))
	for _, c := range m {
		slices.Sort(c.Protocols)
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b PortCount) int {
		return cmp.Or(cmp.Compare(b.Wire, a.Wire), cmp.Compare(a.Port, b.Port))
	})
	return list[:min(len(list), MaxPorts)]
}
