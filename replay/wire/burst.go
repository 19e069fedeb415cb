package wire

import "time"

// A burst is how much is sent after one wait. It follows what the schedule allows:
// waiting for single packets where they are due one by one, for hundreds where the
// schedule asks for more than can be sent.
type burst struct {
	packets int
	span    int64 // of time at original speed, ns
}

const (
	maxBurst = 256 // packets; few enough to stay in the second-level cache until they are sent
	// Packets of one burst leave together, so this is how far one may be from its time.
	longest = 200 * time.Microsecond
	minSpan = int64(longest)
	maxSpan = int64(time.Hour)
)

func newBurst() burst { return burst{packets: 1, span: minSpan} }

// learn adapts to d, the time that the schedule gave the burst before.
func (b *burst) learn(d time.Duration) {
	switch {
	case d > longest:
		b.packets, b.span = max(1, b.packets/2), max(minSpan, b.span/2)
	case d < longest/2:
		b.packets, b.span = min(maxBurst, b.packets*2), min(maxSpan, b.span*2)
	}
}
