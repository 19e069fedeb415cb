package tls

import (
	"testing"

	"recap/pipeline/exchange"
)

func TestSent(t *testing.T) {
	c := &Conn{}
	m := &marks{n: 3}
	m.ends[0] = mark{from: 100, sent: 200, begin: 0, plain: 0} // of the handshake
	m.ends[1] = mark{from: 200, sent: 250, begin: 0, plain: 20}
	m.ends[2] = mark{from: 300, sent: 350, begin: 20, plain: 50}
	c.sides[exchange.ToServer].marks = m
	for _, tt := range []struct {
		name         string
		offset, want int64
		known        bool
	}{
		{"the first byte", 0, 200, true},
		{"the last of a record", 19, 219, true},
		{"the first behind a hole", 20, 300, true},
		{"not opened yet", 50, 0, false},
	} {
		if got, ok := c.Sent(exchange.ToServer, tt.offset); got != tt.want || ok != tt.known {
			t.Errorf("%s: %d, %t; want %d, %t", tt.name, got, ok, tt.want, tt.known)
		}
	}
	if _, ok := c.Sent(exchange.ToClient, 0); ok {
		t.Error("a place where nothing was opened")
	}
}
