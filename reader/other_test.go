package reader_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"recap/reader"
)

// A file that is no capture is refused by its name, where that is known.
func TestRefusalNames(t *testing.T) {
	stream := make([]byte, 188*4)
	for i := 0; i < len(stream); i += 188 {
		stream[i] = 0x47
	}
	tar := make([]byte, 1024)
	tar[0] = 'x'
	copy(tar[257:], "ustar\x00")
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"event log", []byte("ElfFile\x00\x00\x00\x00\x01\x00\x00\x03\xea"), "event log"},
		{"RTP dump", []byte("#!rtpplay1.0 10.0.0.1/5000\n"), "RTP dump"},
		{"MP4", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"), "MP4"},
		{"transport stream", stream, "transport stream"},
		{"ZIP", []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00abcdefgh"), "unpack it first"},
		{"tar", tar, "tar archive"},
		{"nothing that is known", []byte("hello, this is some text"), "begins with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var gz bytes.Buffer
			z := gzip.NewWriter(&gz)
			z.Write(tt.file)
			z.Close()
			for _, file := range [][]byte{tt.file, gz.Bytes()} {
				_, err := reader.Open(context.Background(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(file)})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one that says %q", err, tt.want)
				}
			}
		})
	}
}
