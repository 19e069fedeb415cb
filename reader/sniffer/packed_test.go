package sniffer_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"recap/reader/pcaptest"
	"recap/reader/sniffer"
	"recap/reader/sourcetest"
)

// pack compresses the records of a plain file in blocks of so many bytes: every other block
// stays as it is.
func pack(plain []byte, block int) []byte {
	b := bytes.Clone(plain[:41])
	b[33] = 0
	rest := plain[41:]
	for i := 0; len(rest) > 0; i++ {
		n := min(block, len(rest))
		if i%2 == 1 {
			b = append(binary.LittleEndian.AppendUint16(b, uint16(-n)), rest[:n]...)
		} else {
			c := packBlock(rest[:n])
			b = append(binary.LittleEndian.AppendUint16(b, uint16(len(c))), c...)
		}
		rest = rest[n:]
	}
	return b
}

func packBlock(in []byte) []byte {
	var b []byte
	word, bits := 0, 16
	item := func(code bool, bytes ...byte) {
		if bits == 16 {
			word, bits = len(b), 0
			b = append(b, 0, 0)
		}
		if code {
			v := binary.LittleEndian.Uint16(b[word:]) | 0x8000>>bits
			binary.LittleEndian.PutUint16(b[word:], v)
		}
		bits++
		b = append(b, bytes...)
	}
	for at := 0; at < len(in); {
		run := 1
		for at+run < len(in) && in[at+run] == in[at] && run < 4000 {
			run++
		}
		back, length := 0, 0
		for d := 3; d <= at && d <= 4098; d++ {
			n := 0
			for n < d && n < 271 && at+n < len(in) && in[at+n] == in[at-d+n] {
				n++
			}
			if n > length {
				back, length = d, n
			}
		}
		switch {
		case run >= 19:
			v := run - 19
			item(true, 1<<4|byte(v&15), byte(v>>4), in[at])
			at += run
		case run >= 3:
			run = min(run, 18)
			item(true, byte(run-3), in[at])
			at += run
		case length >= 16:
			item(true, 2<<4|byte((back-3)&15), byte((back-3)>>4), byte(length-16))
			at += length
		case length >= 3:
			length = min(length, 15)
			item(true, byte(length)<<4|byte((back-3)&15), byte((back-3)>>4))
			at += length
		default:
			item(false, in[at])
			at++
		}
	}
	return b
}

func plainFile(t testing.TB) []byte {
	return sourcetest.Editcap(t, pcaptest.Build(t, sourcetest.Talk), "ngsniffer")
}

func unpack(b []byte) ([]byte, error) {
	return io.ReadAll(sniffer.Unpack(bufio.NewReader(bytes.NewReader(b))))
}

// Packing and unpacking gives the file that it was, and tshark reads the packed one likewise.
func TestPacked(t *testing.T) {
	plain := plainFile(t)
	for _, block := range []int{50, 300, 30000} {
		packed := pack(plain, block)
		if !sniffer.Packed(packed) || sniffer.Format.Match(packed) {
			t.Errorf("blocks of %d: not known as compressed", block)
		}
		got, err := unpack(packed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("blocks of %d: %d bytes of %d, %v", block, len(got), len(plain), err)
		}
		name := t.TempDir() + "/file"
		sourcetest.WriteFile(t, name, packed)
		out, err := exec.Command("tshark", "-n", "-r", name, "-T", "fields", "-e", "frame.len").Output()
		if n := strings.Count(string(out), "\n"); err != nil || n != 12 {
			t.Errorf("blocks of %d: tshark finds %d packets: %v", block, n, err)
		}
	}
}

// What stands before a cut is unpacked.
func TestPackedCut(t *testing.T) {
	plain := plainFile(t)
	packed := pack(plain, 100)
	for n := 41; n < len(packed); n++ {
		got, err := unpack(packed[:n])
		if !bytes.HasPrefix(plain, got) {
			t.Fatalf("cut at %d changes what stands before", n)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// A beginning of a file gives the beginning of what it unpacks to, and no block unpacks to
// more than 64 KiB.
func FuzzUnpack(f *testing.F) {
	head := append([]byte("TRSNIFF data    \x1a\x01\x00\x12\x00\x00\x00"), make([]byte, 18)...)
	head[32] = 1
	f.Add(append(bytes.Clone(head), 9, 0, 0, 0x40, 'a', 0x05, 'b', 'c', 'd', 'e', 'f'), uint16(45))
	f.Add(append(bytes.Clone(head), 0xfd, 0xff, 'a', 'b', 'c'), uint16(43))
	f.Fuzz(func(t *testing.T, file []byte, cut uint16) {
		if !sniffer.Packed(file) {
			return
		}
		got, _ := unpack(file)
		part, _ := unpack(file[:min(int(cut), len(file))])
		if !bytes.HasPrefix(got, part) {
			t.Errorf("a cut at %d changes what stands before: %q, want a prefix of %q", cut, part, got)
		}
		if len(got) > (len(file)/2+1)<<16 {
			t.Errorf("%d bytes unpack to %d", len(file), len(got))
		}
	})
}
