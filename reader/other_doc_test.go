package reader

import (
	"os"
	"strings"
	"testing"
)

// The page on captures repeats what is said of files of networks that hold no packets.
func TestRefusalsInDoc(t *testing.T) {
	page, err := os.ReadFile("../docs/captures.md")
	if err != nil {
		t.Fatal(err)
	}
	// Named in a sentence there, since tshark 4.0 does not open them.
	beside := map[string]string{"rtpplay": "RTP dumps", "DLT": "AUTOSAR DLT", "PML": "Process Monitor", "ElfFile": "Windows event logs", "FILEVERSION": "PEAK traces"}
	for _, o := range others {
		want := o.what
		if !strings.Contains(want, "which holds") {
			continue
		}
		for mark, name := range beside {
			if strings.Contains(o.magic, mark) {
				want = name
			}
		}
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/captures.md lacks %q", want)
		}
	}
}
