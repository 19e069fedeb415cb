package reader_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"recap/reader"
	"recap/reader/packet"
	"recap/reader/sourcetest"
)

func xzip(t testing.TB, data []byte, c xz.WriterConfig) []byte {
	var b bytes.Buffer
	w, err := c.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func lz(data []byte, o ...lz4.Option) []byte {
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	w.Apply(o...)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

// bz packs as bzip2, which no package here can write.
func bz(t testing.TB, data []byte) []byte { return packed(t, data, "bzip2", "-c") }

// packed runs a command line tool over data.
func packed(t testing.TB, data []byte, name string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED: no %s here, whose files this test reads", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func flip(data []byte, at int) []byte {
	data = bytes.Clone(data)
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 0x40
	return data
}

func TestUnpack(t *testing.T) {
	letters := strings.Repeat("abcdefgh", 100)
	plain := capture(t, 1, letters)
	half := len(plain) / 2
	zero := make([]byte, 512)
	x := xzip(t, plain, xz.WriterConfig{BlockSize: 5000})
	for _, tt := range []struct {
		name        string
		file        func(t *testing.T) []byte
		compression string
		whole       bool
		damage      string // of the last entry
	}{
		{"lz4", func(*testing.T) []byte { return lz(plain) }, "lz4", true, ""},
		{"lz4 of two frames", func(*testing.T) []byte { return append(lz(plain[:half]), lz(plain[half:])...) }, "lz4", true, ""},
		{"lz4 with padding", func(*testing.T) []byte { return append(lz(plain), zero...) }, "lz4", true, ""},
		{"lz4 with junk", func(*testing.T) []byte { return append(lz(plain), "junk and more"...) }, "lz4", true, "something else follows the compressed data"},
		{"lz4, bad checksum", func(*testing.T) []byte { return flip(lz(plain), -1) }, "lz4", true, "checksum of the lz4 data is wrong"},
		{"lz4, bad checksum before a second frame", func(*testing.T) []byte { return append(flip(lz(plain[:half]), -1), lz(plain[half:])...) },
			"lz4", true, "checksum of the lz4 data is wrong"},
		{"lz4 cut", func(*testing.T) []byte { return append(lz(plain[:half]), lz(plain[half:])[:100]...) }, "lz4", false, "the data ends early"},
		{"lz4, legacy", func(t *testing.T) []byte { return packed(t, plain, "lz4", "-l", "-c") }, "lz4", true, ""},
		{"lz4, dependent blocks", func(t *testing.T) []byte { return packed(t, plain, "lz4", "-BD", "-B4", "-c") }, "lz4", true, ""},
		{"xz", func(*testing.T) []byte { return x }, "xz", true, ""},
		{"xz of two streams", func(t *testing.T) []byte {
			return slices.Concat(xzip(t, plain[:half], xz.WriterConfig{CheckSum: xz.SHA256}), zero, xzip(t, plain[half:], xz.WriterConfig{CheckSum: xz.CRC32}), zero)
		}, "xz", true, ""},
		{"xz without check", func(t *testing.T) []byte { return xzip(t, plain, xz.WriterConfig{NoCheckSum: true}) }, "xz", true, ""},
		{"xz with junk", func(*testing.T) []byte { return append(bytes.Clone(x), "junk and more"...) }, "xz", true, "something else follows the compressed data"},
		{"xz, bad index", func(*testing.T) []byte { return flip(x, -13) }, "xz", true, "checksum of the xz"},
		{"xz cut", func(*testing.T) []byte { return x[:len(x)*2/3] }, "xz", false, "xz data is damaged near its byte"},
		{"xz by its own tool", func(t *testing.T) []byte { return packed(t, plain, "xz", "-9", "-c") }, "xz", true, ""},
		{"xz of many blocks, by its own tool", func(t *testing.T) []byte { return packed(t, plain, "xz", "-T2", "--block-size=4096", "-c") }, "xz", true, ""},
		{"xz with another filter", func(t *testing.T) []byte { return packed(t, plain, "xz", "--delta", "--lzma2", "-c") }, "xz", false, "error: -: "},
		{"bzip2", func(t *testing.T) []byte { return bz(t, plain) }, "bzip2", true, ""},
		{"bzip2 of two streams", func(t *testing.T) []byte { return append(bz(t, plain[:half]), bz(t, plain[half:])...) }, "bzip2", true, ""},
		{"bzip2 with padding", func(t *testing.T) []byte { return append(bz(t, plain), zero...) }, "bzip2", true, ""},
		{"bzip2 with junk", func(t *testing.T) []byte { return append(bz(t, plain), "junk and more"...) }, "bzip2", true, "something else follows the compressed data"},
		{"bzip2, bad second stream", func(t *testing.T) []byte { return append(bz(t, plain[:half]), flip(bz(t, plain[half:]), -4)...) },
			"bzip2", false, "bzip2 data is damaged near its byte"},
		{"bzip2 cut", func(t *testing.T) []byte { return append(bz(t, plain[:half]), bz(t, plain[half:])[:300]...) }, "bzip2", false, "the data ends early"},
		{"zstd of two frames", func(t *testing.T) []byte { return append(zst(t, plain[:half]), zst(t, plain[half:])...) }, "zstd", true, ""},
		{"zstd, bad checksum", func(t *testing.T) []byte { return flip(zst(t, plain), -1) }, "zstd", true, "checksum of the zstd data is wrong"},
		{"zstd, bad checksum before a second frame", func(t *testing.T) []byte { return append(flip(zst(t, plain[:half]), -1), zst(t, plain[half:])...) },
			"zstd", true, "checksum of the zstd data is wrong"},
		{"zstd, bad checksum and junk", func(t *testing.T) []byte { return append(flip(zst(t, plain), -1), "junk and more"...) }, "zstd", true, "zstd data is damaged near its byte"},
		{"zstd, a frame cut in its checksum", func(t *testing.T) []byte { z := zst(t, plain); return z[:len(z)-1] }, "zstd", true, "the data ends early"},
		{"lz4 in xz", func(t *testing.T) []byte { return xzip(t, lz(plain), xz.WriterConfig{}) }, "xz+lz4", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testUnpacked(t, tt.file(t), letters, tt.compression, tt.whole, tt.damage)
		})
	}
}

// testUnpacked reads a compressed capture, also byte by byte, and wants the packets of letters, or
// unless it is whole the first of them. damage is what the last entry says, or with "error: " in
// front what the error says.
func testUnpacked(t *testing.T, file []byte, letters, compression string, whole bool, damage string) {
	t.Helper()
	var last string
	for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
		res := read(t, reader.Options{Stdin: wrap(bytes.NewReader(file))}, "-")
		if res.err != nil {
			if !strings.HasPrefix("error: "+res.err.Error(), damage) || damage == "" {
				t.Fatal(res.err)
			}
			continue
		}
		in := res.inputs[0]
		if in.Compression != compression {
			t.Errorf("compression %q, want %q", in.Compression, compression)
		}
		if whole && res.letters != letters || !strings.HasPrefix(letters, res.letters) {
			t.Errorf("%d packets of %d", len(res.letters), len(letters))
		}
		got := ""
		if n := len(in.Damage); n > 0 {
			got = in.Damage[n-1].Error()
		}
		if (got == "") != (damage == "") || !strings.Contains(got, damage) {
			t.Errorf("damage %v, want %q", in.Damage, damage)
		}
		if last != "" && last != res.letters+got {
			t.Errorf("reading byte by byte changes the result")
		}
		last = res.letters + got
	}
}

// A wrong check costs no data: the second of three blocks is damaged in its sum.
func TestXZCheck(t *testing.T) {
	plain := capture(t, 1, "abcdefgh")
	file := slices.Concat(xzip(t, plain[:60], xz.WriterConfig{}), xzip(t, plain[60:], xz.WriterConfig{}))
	first := xzip(t, plain[:60], xz.WriterConfig{})
	// Index of one record (8 bytes), its sum and the footer follow the check of 8.
	bad := flip(file, len(first)-8-4-12-4)
	res := read(t, reader.Options{Stdin: bytes.NewReader(bad)}, "-")
	if res.err != nil || res.letters != "abcdefgh" || res.inputs[0].DamageCount != 1 {
		t.Errorf("packets %q, error %v, damage %v", res.letters, res.err, res.inputs)
	}
}

// A dictionary is not allocated because a file asks for it.
func TestXZDictionary(t *testing.T) {
	file := xzip(t, capture(t, 1, "abc"), xz.WriterConfig{DictCap: 1 << 20})
	res := read(t, reader.Options{Stdin: bytes.NewReader(file), XZDictionary: 1 << 19}, "-")
	if e, ok := errors.AsType[*packet.Error](res.err); !ok || e.Hint != "raise the limit for the xz dictionary, 524288 bytes" {
		t.Errorf("error %+v has no hint to raise the limit", res.err)
	}
	res = read(t, reader.Options{Stdin: bytes.NewReader(file)}, "-")
	if res.letters != "abc" {
		t.Errorf("packets %q, error %v", res.letters, res.err)
	}
}

// TestBombs unpacks far more than it may keep.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 72 MB")
	}
	data := append(capture(t, 1, "a"), make([]byte, 24<<20)...)
	for _, tt := range []struct {
		name string
		file []byte
	}{{"lz4", lz(data)}, {"xz", xzip(t, data, xz.WriterConfig{DictCap: 1 << 20})}, {"bzip2", bz(t, data)}} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			in := read(t, reader.Options{Stdin: bytes.NewReader(tt.file)}, "-").inputs[0]
			runtime.ReadMemStats(&after)
			if in.Padding != 24<<20 || in.DamageCount != 0 {
				t.Errorf("padding %d, damage %v", in.Padding, in.Damage)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
				t.Errorf("unpacking allocates %d bytes", grown)
			}
			in = read(t, reader.Options{Stdin: bytes.NewReader(tt.file), MaxInputBytes: 1 << 20}, "-").inputs[0]
			if in.Bytes != 1<<20 || len(in.Damage) != 1 || !strings.Contains(in.Damage[0].Error(), "input is longer than the limit of 1048576 bytes") {
				t.Errorf("%d bytes read, damage %v", in.Bytes, in.Damage)
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	plain := capture(f, 1, "abcdefgh")
	for _, file := range [][]byte{lz(plain), lz(plain, lz4.BlockChecksumOption(true)), xzip(f, plain, xz.WriterConfig{}), xzip(f, plain, xz.WriterConfig{CheckSum: xz.CRC32}),
		wide("", commsTrace, 0), []byte(strings.Repeat("router> \n", 600) + commsTrace)} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		o := reader.Options{MaxPacket: 1000, MaxInputBytes: 1 << 20, XZDictionary: 1 << 20, SlabSize: 4096}
		o.Stdin = bytes.NewReader(file)
		want := read(t, o, "-")
		o.Stdin = iotest.OneByteReader(bytes.NewReader(file))
		got := read(t, o, "-")
		if !strings.HasPrefix(want.letters, got.letters) && !strings.HasPrefix(got.letters, want.letters) {
			t.Fatalf("read size changes the result: %q, want %q", got.letters, want.letters)
		}
	})
}

// commsTrace is a text dump.
const commsTrace = ` COMMUNICATIONS TRACE       Title: OS400 - OS400 trace               10/28/05  11:44:50                           Page:       1
   Object protocol  . . . . . . :   ETHERNET
   Start date/Time  . . . . . . :   10/28/05  11:43:00.341
      8   S       22  11:43:59.82956               0006299C14AE  0006299C14FE   ETHV2   Type: 0800
         Data . . . . . :  45000016388B4000 4006CC860A149096  0A1490974142                        *........*
      9   S       20  11:43:59.9                   0006299C14AE  0006299C14FE   ETHV2   Type: 0800
         Data . . . . . :  45000014388B4000 4006CC860A149096  0A149097                            *........*
`

// wide writes ASCII with two bytes a character, the lower one at low.
func wide(mark, text string, low int) []byte {
	b := []byte(mark)
	for i := range len(text) {
		pair := [2]byte{}
		pair[low] = text[i]
		b = append(b, pair[:]...)
	}
	return b
}

// Text dumps are read whatever the size of their characters.
func TestUTF16(t *testing.T) {
	want, _ := readOne(t, []byte(commsTrace))
	if len(want) != 2 {
		t.Fatalf("%d packets, want 2", len(want))
	}
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"little-endian", wide("", commsTrace, 0)},
		{"little-endian with a mark", wide("\xff\xfe", commsTrace, 0)},
		{"big-endian with a mark", wide("\xfe\xff", commsTrace, 1)},
		{"cut within a character", wide("", commsTrace+" ", 0)[:2*len(commsTrace)+1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, in := readOne(t, tt.file)
			if len(got) != len(want) || in.Compression != "utf-16" || in.Format != "iseries" {
				t.Fatalf("%d packets of %d, %q in %q, damage %v", len(got), len(want), in.Format, in.Compression, in.Damage)
			}
			for i := range got {
				if !bytes.Equal(got[i].Data, want[i].Data) || got[i].TimeNS != want[i].TimeNS {
					t.Errorf("packet %d differs", i+1)
				}
			}
		})
	}
	t.Run("as tshark reads it", func(t *testing.T) {
		sourcetest.Tool(t, "tshark")
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, wide("", commsTrace, 0), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("tshark", "-n", "-r", name, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len")
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var mine strings.Builder
		for _, p := range want {
			fmt.Fprintf(&mine, "%d.%09d\t%d\n", p.TimeNS/1e9, p.TimeNS%1e9, p.Length)
		}
		if string(out) != mine.String() {
			t.Errorf("got\n%stshark reads\n%s", mine.String(), out)
		}
	})
}

// readOne reads a file from standard input.
func readOne(t *testing.T, file []byte) ([]packet.Packet, *packet.Input) {
	t.Helper()
	c, err := reader.Open(context.Background(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(file)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all []packet.Packet
	for {
		b, err := c.Next()
		if err != nil {
			return all, c.Inputs()[0]
		}
		for _, p := range b.Packets {
			p.Data = bytes.Clone(p.Data)
			all = append(all, p)
		}
		b.Release()
	}
}

// The first packet of a text may stand far from its beginning.
func TestLateText(t *testing.T) {
	session := strings.Repeat("router> show version\nsoftware 1.0 and more of it\n", 1000)
	for _, tt := range []struct {
		name string
		file string
		want int
	}{
		{"after 49 KB", session + commsTrace, 2},
		{"after 196 KB", strings.Repeat(session, 4) + commsTrace, 0},
		{"never", session, 0},
		{"a heading alone", session + commsTrace[:300], 0},
		{"after 49 KB, behind a zero byte", "\x00" + session + commsTrace, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, file := range [][]byte{[]byte(tt.file), gzipped(t, tt.file)} {
				if tt.want > 0 {
					got, in := readOne(t, file)
					if len(got) != tt.want || in.Bytes != int64(len(tt.file)) || in.LostBytes != 0 {
						t.Errorf("%d packets, want %d; %d bytes of %d read, %d lost", len(got), tt.want, in.Bytes, len(tt.file), in.LostBytes)
					}
					continue
				}
				_, err := reader.Open(context.Background(), []string{"-"}, reader.Options{Stdin: iotest.OneByteReader(bytes.NewReader(file))})
				if err == nil || !strings.Contains(err.Error(), "not a capture") {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
