package decap

import (
	"testing"

	"recap/reader/packet"
)

// Options.Datagram gets datagrams of any port, also those of tunnels, and only those that
// look like what it may claim.
func TestDatagram(t *testing.T) {
	for _, tt := range []struct {
		name    string
		port    int
		payload string
		claim   bool
		want    Disposition
		asked   int
	}{
		{"claimed", 443, "\xc0 payload", true, DispDatagram, 1},
		{"claimed at a tunnel's port", 2152, "\xc0 payload", true, DispDatagram, 1},
		{"not claimed", 443, "\x40 payload", false, DispUDP, 1},
		{"without the bit", 443, "\x80 payload", true, DispUDP, 0},
		{"one that cannot be", 443, "\x41 payload", true, DispUDP, 0},
		{"empty", 443, "", true, DispUDP, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			d := NewDecoder(Options{
				May: func(b []byte) bool { return b[0] != 0x41 },
				Datagram: func(s *Segment) bool {
					asked++
					return tt.claim && string(s.Payload()) == tt.payload && s.IsUDP() && s.Key.HiPort|s.Key.LoPort == uint16(5555|tt.port)
				},
			})
			var s Segment
			got := d.Decode(pkt(packet.LinkEthernet, over4(17, udp(5555, tt.port, []byte(tt.payload)))), &s)
			if got != tt.want || asked != tt.asked {
				t.Errorf("Decode = %v, asked %d times; want %v, %d", got, asked, tt.want, tt.asked)
			}
		})
	}
}

func BenchmarkPlainUDP(b *testing.B) {
	for _, tt := range []struct {
		name string
		opt  Options
	}{
		{"nobody claims", Options{}},
		{"somebody may", Options{May: func(b []byte) bool { return b[0]&0x80 != 0 }, Datagram: func(*Segment) bool { return false }}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			d := NewDecoder(tt.opt)
			p := pkt(packet.LinkEthernet, over4(17, udp(5555, 53, []byte("\x41 a question of some length"))))
			var s Segment
			b.ReportAllocs()
			for b.Loop() {
				d.Decode(p, &s)
			}
		})
	}
}
