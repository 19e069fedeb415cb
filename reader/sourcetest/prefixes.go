package sourcetest

import (
	"bytes"
	"testing"

	"recap/reader/format"
)

// Prefixes checks that a file which ends where a packet begins holds no other packets than
// the first of the whole file.
func Prefixes(t *testing.T, f format.Format, file []byte) {
	t.Helper()
	prefixes(t, f, file, false)
}

// PrefixesOfSound is [Prefixes] for formats of [format.Records], which judge doubtful lengths
// by what follows: of files without damage.
func PrefixesOfSound(t *testing.T, f format.Format, file []byte) {
	t.Helper()
	prefixes(t, f, file, true)
}

func prefixes(t *testing.T, f format.Format, file []byte, sound bool) {
	t.Helper()
	if !f.Match(file[:min(len(file), format.HeadSize)]) {
		return
	}
	lim := format.Limits{MaxPacket: 1000}
	whole := Read(f, bytes.NewReader(file), Options{Limits: lim})
	if sound && whole.Input.DamageCount > 0 {
		return
	}
	for i := 1; i < len(whole.Packets); i += max(1, len(whole.Packets)/4) {
		got := Read(f, bytes.NewReader(file[:whole.Packets[i].Offset]), Options{Limits: lim})
		if sound && got.Input.DamageCount > 0 {
			continue
		}
		if len(got.Packets) > i {
			t.Fatalf("%d packets before packet %d", len(got.Packets), i+1)
		}
		for j, p := range got.Packets {
			if g, w := packetText(p), packetText(whole.Packets[j]); g != w {
				t.Fatalf("the file without packet %d has another packet %d:\n got %s\nwant %s", i+1, j+1, g, w)
			}
		}
	}
}
