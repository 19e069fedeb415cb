package tcp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"recap/pipeline/decap"
	"recap/reader/packet"
)

// stamped is a segment with a timestamp and the one it echoes.
func stamped(seq, value, echo uint32, clock int64) *decap.Segment {
	b := make([]byte, 32)
	b[20], b[21], b[22], b[23] = 1, 1, 8, 10
	binary.BigEndian.PutUint32(b[24:], value)
	binary.BigEndian.PutUint32(b[28:], echo)
	return &decap.Segment{TCP: b, HeaderLen: 32, Seq: seq, Flags: decap.ACK, TSVal: value, Info: decap.HasTS, Clock: clock}
}

// TestPrintsOfTapsThatLackPackets: two taps of one connection, each without 15 % of its
// packets and without its first ten, have a packet in common; two connections with the
// same numbers have none, and are told apart.
func TestPrintsOfTapsThatLackPackets(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var one, two, other Conn
		for i := range uint32(60) {
			seq, at := 1000+i*700, int64(i)*1e6
			see := func(c *Conn, base uint32) {
				if i >= uint32(r.IntN(10)) && r.IntN(100) >= 15 {
					c.Halves[0].prints.leave(stamped(seq, base+i, 0, at), 700)
				}
			}
			see(&one, 5000)
			see(&two, 5000)
			see(&other, 9000)
		}
		if !one.SharesPacket(&two) || one.OtherPackets(&two) {
			t.Errorf("seed %d: two taps have no packet in common", seed)
		}
		if one.SharesPacket(&other) || !one.OtherPackets(&other) {
			t.Errorf("seed %d: two connections are not told apart", seed)
		}
	}
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		name        string
		value, echo uint32 // of an answer, to a packet with the timestamp 1,000
		clock       int64  // of another tap's packet with the timestamp value
		answers     bool
		other       bool
	}{
		{"the packet itself", 1000, 1000, 5, true, false},
		{"one a little older", 900, 900, 5, true, false},
		{"one from before the wrap", 0xfffffff0, 0xfffffff0, 5, true, false},
		{"a foreign clock", 1 << 30, 1 << 30, 5, false, true},
		{"a foreign clock, long after", 1 << 30, 1 << 30, 5e9, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c, d Conn
			c.Halves[0].prints.leave(stamped(1, 1000, 0, 5), 10)
			if got := c.Echoes(stamped(7, 0, tt.echo, 5), 1); got != tt.answers {
				t.Errorf("Echoes is %t", got)
			}
			d.Halves[0].prints.leave(stamped(50, tt.value, 0, tt.clock), 10)
			if got := c.OtherPackets(&d); got != tt.other {
				t.Errorf("OtherPackets is %t", got)
			}
		})
	}
}

// TestBond: a packet with numbers that fit, from a place where the connection was not seen.
func TestBond(t *testing.T) {
	const ack = decap.ACK
	for _, tt := range []struct {
		name        string
		first, then *decap.Segment
		want        Bond
	}{
		{"a copy just behind", stamped(1000, 50, 0, 1), stamped(1000, 50, 0, 1), Near},
		{"the next packet, in the same tick", stamped(1000, 50, 0, 1), stamped(1012, 50, 0, 1), Near},
		{"sent again, later", stamped(1000, 50, 0, 1), stamped(1000, 250, 0, 1), Near},
		{"one sent long before", stamped(1000, 50, 0, 1), stamped(988, 20, 0, 1), Again},
		{"another clock", stamped(1000, 50, 0, 1), stamped(1012, 1<<30, 0, 1), Apart},
		{"the next identification", identified(1000, 50, ack), identified(1012, 51, ack), Near},
		{"across the wrap of identifications", identified(1000, 0xffff, ack), identified(1012, 1, ack), Near},
		{"an identification before", identified(1000, 50, ack), identified(988, 49, ack), Again},
		{"an identification far away", identified(1000, 50, ack), identified(1012, 9000, ack), Apart},
		{"a SYN seen before", identified(1000, 50, decap.SYN), identified(1000, 51, decap.SYN), Apart},
		{"nothing that tells", bare(1000), bare(1012), Loose},
		{"timestamps only now", bare(1000), stamped(1012, 50, 0, 1), Loose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Conn
			c.Segment(&Env{Hist: &History{}, MaxSpan: 1 << 20}, tt.first, 0, packet.Pos{}, nobody{})
			if got := c.Bond(tt.then, 0); got != tt.want {
				t.Errorf("Bond is %d, want %d", got, tt.want)
			}
		})
	}
}

// identified is a segment of 12 bytes with an identification, and no timestamp.
func identified(seq uint32, id uint16, flags decap.Flags) *decap.Segment {
	return &decap.Segment{TCP: make([]byte, 32), HeaderLen: 20, Seq: seq, Flags: flags, IPID: id}
}

// bare is one with neither.
func bare(seq uint32) *decap.Segment {
	s := identified(seq, 0, decap.ACK)
	s.Info = decap.NoIPID
	return s
}

// nobody is a Handler that takes no notice.
type nobody struct{}

func (nobody) Data(int, packet.Pos, []byte)       {}
func (nobody) Gap(int, packet.Pos, int64, string) {}
func (nobody) Cut(int, uint32, int64) []byte      { return nil }
func (nobody) Awaits(int64) bool                  { return false }
func (nobody) Missing(int) bool                   { return false }
func (nobody) Conflict(int, int64, int64) bool    { return false }
func (nobody) Close(int, packet.Pos)              {}
