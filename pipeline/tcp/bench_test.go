package tcp

import (
	"testing"

	"recap/pipeline/decap"
	"recap/reader/packet"
)

type discard struct{ bytes int64 }

func (*discard) Conflict(int, int64, int64) bool { return false }
func (*discard) Cut(int, uint32, int64) []byte   { return nil }
func (*discard) Awaits(int64) bool               { return false }
func (*discard) Missing(int) bool                { return false }

func (d *discard) Data(_ int, _ packet.Pos, b []byte) { d.bytes += int64(len(b)) }
func (d *discard) Gap(int, packet.Pos, int64, string) {}
func (d *discard) Close(int, packet.Pos)              {}

// BenchmarkReassembly feeds one direction with segments of 1448 bytes and the other
// with an acknowledgement for every second of them.
func BenchmarkReassembly(b *testing.B) {
	const mss = 1448
	for _, order := range []string{"in order", "every second pair swapped"} {
		b.Run(order, func(b *testing.B) {
			var c Conn
			var h discard
			e := &Env{Hist: &History{Horizon: 1 << 20}, MaxSpan: 64 << 20, Hold: 2e9}
			data := decap.Segment{TCP: make([]byte, 20+mss), HeaderLen: 20, Flags: decap.ACK, Ack: 1}
			ack := decap.Segment{TCP: make([]byte, 20), HeaderLen: 20, Flags: decap.ACK, Seq: 1}
			syn := decap.Segment{TCP: make([]byte, 20), HeaderLen: 20, Flags: decap.SYN}
			c.Segment(e, &syn, 0, packet.Pos{}, &h)
			syn.Flags, syn.Ack = decap.SYN|decap.ACK, 1
			c.Segment(e, &syn, 1, packet.Pos{}, &h)
			b.ReportAllocs()
			b.SetBytes(mss)
			swap := order != "in order"
			for i := 0; b.Loop(); i++ {
				k := i
				if swap && i%4 < 2 {
					k ^= 1
				}
				data.Seq = 1 + uint32(k)*mss
				data.Clock = int64(i) * 1000
				e.Hist.At(int64(i) * 1514)
				c.Segment(e, &data, 0, packet.Pos{Number: int64(i)}, &h)
				if i%2 == 1 {
					ack.Ack, ack.Clock = 1+uint32(i+1)*mss, data.Clock
					c.Segment(e, &ack, 1, packet.Pos{Number: int64(i)}, &h)
				}
				if i%512 == 0 {
					e.Hist.Trim()
				}
			}
		})
	}
}
