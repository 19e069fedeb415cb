package replay

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"recap/reader/packet"
)

// A packetTarget takes packets and keeps their bytes.
type packetTarget struct {
	ingestor
	got []string
}

func (p *packetTarget) SendPackets(ctx context.Context, b *packet.Batch, loop uint32) error {
	for i := range b.Packets {
		if _, err := p.env.Wait(ctx, 0, Amount{Packets: 1, Bytes: 60}); err != nil {
			return err
		}
		p.got = append(p.got, fmt.Sprint(loop, " ", string(b.Packets[i].Data)))
	}
	return nil
}

// Every pass sends the same packets, be they read again or kept, and a collector only
// counts.
func TestLoopsOverPackets(t *testing.T) {
	for _, tt := range []struct {
		name  string
		room  int64
		reads int
	}{{"kept", 1 << 20, 1}, {"read again", 600, 3}} {
		t.Run(tt.name, func(t *testing.T) {
			reads := 0
			source := func(context.Context) iter.Seq2[*packet.Batch, error] {
				reads++
				return func(yield func(*packet.Batch, error) bool) {
					data := []byte("abcdef")
					for i := range 2 {
						b := &packet.Batch{Packets: []packet.Packet{{Data: data[i*3 : i*3+2]}, {Data: data[i*3+2 : i*3+3]}}}
						if !yield(b, nil) {
							return
						}
						clear(data[i*3 : i*3+3]) // it is valid until the next step
					}
				}
			}
			p := &packetTarget{ingestor: *newIngestor()}
			o := Options{Packets: source, Loops: 3, Rate: mustRate(t, "max"), Window: Window{Bytes: tt.room}, Collect: p.collect, Quiet: 20 * time.Millisecond,
				Limits: mustLimits(t, "loss>0")}
			o.Open = func(_ context.Context, env Env) (Target, error) {
				p.env = env
				return p, nil
			}
			p.out <- &Observation{RequestBody: -1, ResponseBody: -1}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for loop := range 3 {
				for _, s := range []string{"ab", "c", "de", "f"} {
					want = append(want, fmt.Sprint(loop, " ", s))
				}
			}
			if !slices.Equal(p.got, want) || reads != tt.reads || r.Schedule.Cached != (tt.reads == 1) || r.Sent.Packets != 12 {
				t.Errorf("got %q in %d reads, %+v", p.got, reads, r.Schedule)
			}
			if l := r.Ledger; !l.CountOnly || l.Observations != 1 || l.Lost != 0 || r.Verdict.State != VerdictMissed || !r.Verdict.Limits[0].Unknown {
				t.Errorf("ledger %+v, verdict %+v", l, r.Verdict)
			}
		})
	}
}
