package websocket

import (
	"strings"
	"testing"

	"recap/pipeline/app"
)

// TestFirstFrameBehindAHole: the tail of a frame whose header is missing may end in what
// looks like the header of a frame that leads to the next.
func TestFirstFrameBehindAHole(t *testing.T) {
	const tail = "\xfe\xfd the end of a message"
	for _, tt := range []struct {
		name, said string
		want       string
	}{
		{"a tail that ends like an empty frame", tail + "\x82\x00" + row(8), rowText(0, 8)},
		{"a tail that ends like a frame with a few bytes", tail + "\x8a\x03abc" + row(8), rowText(0, 8)},
		{"a tail that ends like text that is none", tail + "\x81\x05\x00\x01\x02\x03\x04" + row(8), rowText(0, 8)},
		{"a tail that ends like a message in two frames", tail + "\x02\x01a\x80\x01b" + row(8), rowText(0, 8)},
		{"text", tail + down(0x81, "hello") + row(8), "< text \"hello\"\n" + rowText(0, 8)},
		{"no tail", down(0x82, "\xfe") + row(8), "< binary \"\\xfe\"\n" + rowText(0, 8)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []byte{255, 0, 4} {
				p := newPlayer(Options{})
				p.play([]said{sGap(10), s(tt.said)}, piece)
				p.end(t, app.EndFIN)
				got, _, _ := strings.Cut(strings.ReplaceAll(p.lines(), " !lost_segment !resynchronized", ""), "other=")
				if strings.TrimSpace(got) != strings.TrimSpace(tt.want) {
					t.Errorf("in pieces of %d: got\n%s\nwant\n%s", int(piece)+1, got, tt.want)
				}
			}
		})
	}
}
