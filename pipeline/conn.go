package pipeline

import (
	"recap/pipeline/app"
	"recap/pipeline/app/http1"
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tcp"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// conn is one TCP connection: its reassembly, what protocol it was found to speak,
// and the parser of that.
type conn struct {
	origin
	part        *partition
	tcp         tcp.Conn
	info        *exchange.Conn
	parser      app.Parser
	detect      [2]detector // by side
	clientKnown bool
	protocol    string // "" while unknown
	other       int64  // payload bytes of something else

	last      packet.Pos
	lost      [2]lostBytes // by side: the latest hole, until it is told
	clock     int64
	further   int64 // segments of packets that are counted with an earlier one
	pairs     int64
	anomalies exchange.Anomalies
	continues exchange.ID
	tunnelled *exchange.Conn // what is known of TLS in a CONNECT tunnel; nil for none

	namesake *conn     // next with the same key; see namesake.go
	senders  [2]sender // by side: of the first packet
	ways     []sender  // of others, that were found to be the connection's too

	// Other captures of the same conversation; see vantage.go.
	sibling      *conn // next with the same addresses and ports
	company      *company
	strangers    []*conn
	proven       []*conn // those that were found to show the same; see agrees
	waiting      waitlist
	rests        []rest // a ring; see late.go
	nrests       int
	expect       turn // where the next copy is looked for first
	waitingBytes int64
	lone         int           // of waiting those that have one message only
	retired      bool          // another connection has taken its key
	ending       app.EndReason // then
	streams      streams
	copies       int64 // pairs that were found elsewhere too
	seenAt       []place
	taps         []tap
	awaiting     bool // c is among partition.awaiting
	given        []given
	ranges       [2]stretch // by side; see vantage_told.go
	shown        []shown
	nshown       int
	began        int64 // clock at the first packet
	aliases      []exchange.FlowKey

	list       *list
	prev, next *conn
	deadline   int64
	charged    int64
}

func newConn(p *partition, s *decap.Segment, side int) *conn {
	c := &conn{origin: newOrigin(s, side), part: p, began: s.Clock}
	if s.Info&decap.Further != 0 {
		c.first.Offset = int64(s.Seq) + 1 // tells it from one that the same packet began
	}
	// Who sends a SYN asks; who sends SYN/ACK answers. Without either, the higher
	// port is likelier to be the asking one, until the content tells.
	switch {
	case s.Flags&(decap.SYN|decap.ACK) == decap.SYN:
		c.client = side
	case s.Flags&decap.SYN != 0:
		c.client = 1 - side
	case s.Key.HiPort > s.Key.LoPort:
		c.client = 1
	}
	return c
}

// segment takes the next packet.
func (c *conn) segment(s *decap.Segment, side int, at packet.Pos) {
	c.last.Number, c.last.TimeNS = s.Number, s.TimeNS
	c.clock = s.Clock
	if s.Info&decap.Further != 0 {
		c.further++
	}
	app.AddOddities(&c.anomalies, &at)
	if !c.senders[side].known {
		c.senders[side] = senderOf(s)
	}
	c.tcp.Halves[side].WireBytes += int64(s.Wire)
	if c.tcp.Segment(&c.part.env, s, side, at, c) {
		c.part.w.health.copies.add(s.Number, int64(len(s.Payload())))
		c.copied(s, side)
	}
	if len(c.seenAt) > 0 && len(c.rests) > 0 && len(s.Payload()) > 0 && !c.atHome(s, side) {
		c.shownLate(s, side)
	}
	if c.company != nil {
		c.holes(at)
	}
	switch {
	case c.tcp.Done():
		c.settle(at)
	case c.list == &c.part.live && c.next != nil:
		c.list.remove(c)
		c.part.live.push(c)
	}
}

// settle lets c, if both its sides have ended, wait for late copies of its packets only.
func (c *conn) settle(at packet.Pos) {
	if !c.tcp.Done() || c.list != &c.part.live {
		return
	}
	c.deadline = at.Clock + lingerTime
	c.list.remove(c)
	c.part.closed.push(c)
	if !c.tcp.Reset && c.parser != nil {
		c.parser.End(app.EndFIN, at)
	}
}

func (c *conn) reason() app.EndReason {
	switch {
	case c.retired:
		return c.ending
	case c.tcp.Reset:
		return app.EndRST
	case c.tcp.Done():
		return app.EndFIN
	}
	return app.EndCapture
}

// connCost is about what a connection takes beside buffers, its places in the maps included, bytes.
const connCost = 2560

func (c *conn) memory() int64 {
	n := int64(connCost) + int64(len(c.outer)) + c.waitingBytes + int64(cap(c.rests))*restCost + int64(len(c.given))*givenCost + int64(len(c.shown))*shownCost + c.streams.bytes + c.tcp.Buffered() + int64(cap(c.detect[0].buf)+cap(c.detect[1].buf))
	for i := range c.detect {
		if f := c.detect[i].frames; f != nil {
			n += f.Memory()
		}
	}
	if c.parser != nil {
		n += c.parser.Memory()
	}
	return n
}

// Data implements tcp.Handler.
func (c *conn) Data(side int, at packet.Pos, b []byte) {
	if l := &c.lost[side]; l.number != 0 {
		l.number = min(l.number, at.Number) // it may have waited for the hole to be given up
		l.tell(&c.part.w.health.lost)
	}
	if c.parser != nil {
		c.parser.Data(c.dir(side), at, b)
		return
	}
	c.sniff(side, at, b)
}

// Gap implements tcp.Handler.
func (c *conn) Gap(side int, at packet.Pos, n int64, reason string) {
	if reason == exchange.GapLost {
		c.lost[side].tell(&c.part.w.health.lost)
		c.lost[side] = lostBytes{at.Number, max(n, 0)}
	}
	if c.parser == nil {
		c.believe(side)
	}
	if c.parser != nil {
		c.parser.Gap(c.dir(side), at, n, reason)
		return
	}
	d := &c.detect[side]
	c.giveUp(d)
	c.noFrames(d)
	d.miss(at, n, reason)
}

// Close implements tcp.Handler.
func (c *conn) Close(side int, at packet.Pos) {
	if c.parser == nil {
		c.believe(side)
	}
	if c.parser != nil {
		c.parser.Close(c.dir(side), at)
	}
}

// conclude reads the connection to its end.
func (c *conn) conclude(reason app.EndReason, at packet.Pos) {
	if c.company != nil {
		c.holes(at)
	}
	c.tcp.Flush(&c.part.env, at, c)
	for side := range c.lost {
		c.lost[side].tell(&c.part.w.health.lost)
	}
	if c.parser == nil {
		c.believe(0)
		c.believe(1)
	}
	if c.parser == nil {
		c.joinLast()
	}
	if c.parser != nil {
		c.parser.End(reason, at)
	}
}

// finish ends the connection and gives out its row.
func (c *conn) finish(reason app.EndReason, at packet.Pos) {
	c.conclude(reason, at)
	for w := c.waiting.front(); w != nil; w = c.waiting.front() {
		w.giveOut()
	}
	c.streams.release(c.part.w.env.Message)
	c.describe()
	c.giveUp(&c.detect[0])
	c.giveUp(&c.detect[1])
	c.noFrames(&c.detect[0])
	c.noFrames(&c.detect[1])
	c.account()
	c.row(reason, at)
}

// account enters the connection into the ledger.
func (c *conn) account() {
	l := &c.part.w.ledger
	var packets, dups, lent int64
	for i := range c.tcp.Halves {
		h := &c.tcp.Halves[i]
		packets += h.Packets
		dups += h.DuplicatePacket
		l.bDup += h.DuplicateBytes
		l.bConflict += h.ConflictBytes
		l.beforeStart += h.BeforeStart
		l.outOfWindow += h.OutOfWindow
		l.afterClose += h.AfterClose
		l.late += h.Late
		l.bDup -= h.Filled // counted where it was captured
		lent += h.Filled - h.DuplicateBytes
	}
	l.duplicate += dups
	// A packet counts once, with the first of its segments.
	packets -= dups + c.further
	if packets < 0 {
		l.duplicate += packets
		packets = 0
	}
	copied := c.pairs == 0 && c.copies > 0 // nothing but copies of what another tap saw
	switch {
	case copied:
		l.duplicate += packets
		c.part.w.health.copied(c, packets)
	case c.pairs > 0:
		l.http += packets
	case c.protocol == "tls" && !c.info.TLS.Decrypted:
		l.tls += packets
	default:
		l.other += packets
	}
	t := app.Tally{}
	if c.parser != nil {
		t = c.parser.Tally()
	}
	t.Other += c.other
	if copied {
		l.bDup += t.HTTP
		lent -= t.HTTP
		t.HTTP = 0
	}
	for _, kind := range []*int64{&t.HTTP, &t.TLS, &t.TLSOverhead, &t.Unparsed, &t.Other} {
		n := max(0, min(lent, *kind)) // of another tap's packets
		*kind -= n
		l.bDup += n
		lent -= n
	}
	l.bHTTP += t.HTTP
	l.bOther += t.Other
	l.bUnpar += t.Unparsed
	l.bTLS += t.TLS
	l.bTLSOver += t.TLSOverhead
}

// row gives out the connection's row.
func (c *conn) row(reason app.EndReason, at packet.Pos) {
	w := c.part.w
	if c.pairs == 0 && c.copies > 0 {
		return // another tap's row stands for it
	}
	protocol := c.protocol
	if protocol == "" {
		protocol = "unknown"
		if c.tcp.Halves[0].Bytes+c.tcp.Halves[1].Bytes == 0 {
			protocol = "none"
		}
	}
	w.protocols[protocol]++
	w.nflows++
	c.anomalies.Merge(&c.tcp.Anomalies)
	if !c.both() {
		c.anomalies.Add(exchange.AnomalyOneSided)
	}
	c.anomalies.Each(func(a exchange.Anomaly) { w.anomalies[a]++ })
	f := &exchange.Flow{
		Conn: c.told(), Protocol: protocol, CloseReason: reason.String(), Continues: c.continues,
		FirstNS: c.first.TimeNS, LastNS: c.last.TimeNS, FirstPacket: c.first.Number, LastPacket: c.last.Number,
		Handshake: c.tcp.Halves[0].SYN() || c.tcp.Halves[1].SYN(),
		Anomalies: c.anomalies, Pairs: c.pairs, Vantages: c.vantages(), Completed: at.Number,
	}
	for _, t := range c.taps {
		f.Vantages = append(f.Vantages, t.vantage)
	}
	f.Sides[c.dir(0)], f.Sides[c.dir(1)] = c.tcp.Halves[0].FlowSide, c.tcp.Halves[1].FlowSide
	if c.pairs == 0 {
		switch protocol {
		case "none":
			f.NoPairs = "no_payload"
		case "tls":
			f.NoPairs = "tls_without_keys"
			if p, ok := c.parser.(*tls.Conn); ok && p.Decrypted() {
				f.NoPairs = "not_http"
				if p.Protocol() != "" {
					f.NoPairs = "no_message"
				}
			}
		case "http/1", "http/2":
			f.NoPairs = "no_message"
		default:
			f.NoPairs = "not_http"
		}
	}
	w.res.flows = append(w.res.flows, f)
}

// told is what the row says of the connection: of one that carries TLS in a CONNECT tunnel
// also what that TLS shows, which is not of the pairs outside.
func (c *conn) told() *exchange.Conn {
	if c.tunnelled == nil || c.tunnelled.TLS == nil || c.info.TLS != nil {
		return c.info
	}
	both := *c.info
	both.TLS = c.tunnelled.TLS
	return &both
}

// both reports whether packets of both directions were seen.
func (c *conn) both() bool {
	return c.tcp.Halves[0].Packets > 0 && c.tcp.Halves[1].Packets > 0
}

// describe fills c.info, which must not change once a pair refers to it.
func (c *conn) describe() {
	if c.info != nil {
		return
	}
	c.info = c.origin.describe(c.part.w, protoTCP)
}

// speak begins to read the connection as HTTP/1, with client as the side that asks.
func (c *conn) speak(client int) {
	c.client, c.clientKnown = client, true
	c.protocol = "http/1"
	c.describe()
	var mid [2]bool
	for side := range c.detect {
		mid[c.dir(side)] = c.detect[side].inside || !c.tcp.Halves[side].SYN() && !c.tcp.Halves[1-side].SYN() && !c.begins(side)
	}
	env := c.part.w.env
	env.Emit, env.Message, env.Upgrade = c.emit, c.message, c.upgrade
	p := http1.New(&env, c.info, mid)
	if d := &c.detect[client]; d.passed {
		p.Passed(d.acked)
	}
	c.parser = p
}

// emit adds what the connection knows to a finished pair.
func (c *conn) emit(info *exchange.Conn, p *exchange.Pair) {
	// What reassembly has noticed since the last pair concerns this one. Holes and
	// cuts are told to the parser, which knows the message they fall into.
	a := c.tcp.Anomalies
	c.anomalies.Merge(&a)
	for _, own := range []exchange.Anomaly{exchange.AnomalyLostSegment, exchange.AnomalySnaplenCut, exchange.AnomalyMirrorTruncated} {
		a[own>>6] &^= 1 << (own & 63)
	}
	p.Anomalies.Merge(&a)
	c.tcp.Anomalies = exchange.Anomalies{}
	if !c.both() {
		p.Anomalies.Add(exchange.AnomalyOneSided)
	}
	p.Vantages = append(p.Vantages, c.vantages()...)
	if c.holdPair(p) {
		return
	}
	c.pairs++
	c.lies(p)
	c.part.w.emit(info, p)
}
