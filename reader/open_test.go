package reader_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// dir writes files into a new directory, parents included, and returns its name.
func dir(t testing.TB, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// capture builds a file of one packet per letter, one millisecond apart from the
// given second on.
func capture(t testing.TB, second int, letters string, opts ...pcaptest.Option) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "start %d\n", second)
	for _, c := range letters {
		fmt.Fprintf(&text, "frame %q\n", string(c))
	}
	return pcaptest.Build(t, text.String(), opts...)
}

func gz(data ...[]byte) []byte {
	var b bytes.Buffer
	for _, d := range data {
		w := gzip.NewWriter(&b)
		w.Write(d)
		w.Close()
	}
	return b.Bytes()
}

func zst(t testing.TB, data []byte, opts ...zstd.EOption) []byte {
	e, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(data, nil)
}

// result is what came out of a capture.
type result struct {
	letters string // packet data joined
	inputs  []*packet.Input
	err     error
}

// read opens the inputs and reads them to the end, checking numbers on the way.
func read(t testing.TB, o reader.Options, inputs ...string) result {
	t.Helper()
	c, err := reader.Open(context.Background(), inputs, o)
	if err != nil {
		return result{err: err}
	}
	defer c.Close()
	var res result
	var n int64
	fileNum := map[int32]int64{}
	for {
		b, err := c.Next()
		if err != nil {
			res.inputs = c.Inputs()
			if err != io.EOF {
				res.err = err
			}
			return res
		}
		if len(b.Packets) == 0 {
			t.Error("batch without packets")
		}
		for _, p := range b.Packets {
			n++
			fileNum[p.FileIndex]++
			if p.Number != n || p.FileNum != fileNum[p.FileIndex] {
				t.Fatalf("packet %d of the capture, %d of file %d, has numbers %d and %d", n, fileNum[p.FileIndex], p.FileIndex, p.Number, p.FileNum)
			}
			res.letters += string(p.Data)
		}
		b.Release()
	}
}

func names(inputs []*packet.Input, root string) string {
	var s []string
	for _, in := range inputs {
		s = append(s, filepath.ToSlash(strings.TrimPrefix(in.Name, root+string(filepath.Separator))))
	}
	return strings.Join(s, " ")
}

func TestInputsAreFound(t *testing.T) {
	root := dir(t, map[string][]byte{
		"b.pcap":       capture(t, 20, "b"),
		"a.txt":        capture(t, 10, "a", pcaptest.Pcapng()),
		"notes.pcap":   []byte("these are notes, whatever the name says"),
		"sub/c":        gz(capture(t, 30, "c")),
		"sub/log.gz":   gz([]byte("a log file that somebody packed")),
		"sub/empty":    nil,
		"sub/deep/d":   zst(t, capture(t, 40, "d")),
		"other/e.pcap": capture(t, 50, "e"),
	})
	for _, tt := range []struct {
		name    string
		args    []string
		letters string
		names   string
		skipped string
	}{
		{"directory", []string{""}, "abcde", "a.txt b.pcap other/e.pcap sub/c sub/deep/d",
			`notes.pcap: not a capture: begins with "these ar" sub/empty: file is empty sub/log.gz: not a capture: inside gzip it begins with "a log fi"`},
		{"files in another order", []string{"b.pcap", "a.txt"}, "ab", "b.pcap a.txt", ""},
		{"glob", []string{"[an]*"}, "a", "a.txt", `notes.pcap: not a capture: begins with "these ar"`},
		{"twice the same", []string{"a.txt", "*.txt"}, "a", "a.txt", "a.txt: named twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var skipped []string
			o := reader.Options{Skipped: func(name string, why error) {
				skipped = append(skipped, filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))+": "+why.Error())
			}}
			var args []string
			for _, a := range tt.args {
				args = append(args, filepath.Join(root, a))
			}
			res := read(t, o, args...)
			if res.err != nil {
				t.Fatal(res.err)
			}
			if res.letters != tt.letters {
				t.Errorf("packets %q, want %q", res.letters, tt.letters)
			}
			if got := names(res.inputs, root); got != tt.names {
				t.Errorf("inputs %q, want %q", got, tt.names)
			}
			if got := strings.Join(skipped, " "); got != tt.skipped {
				t.Errorf("skipped %q, want %q", got, tt.skipped)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	root := dir(t, map[string][]byte{"a.pcap": capture(t, 1, "a"), "notes": []byte("notes"), "none/x": []byte("x"),
		"bad.zst": zst(t, bytes.Repeat(capture(t, 1, "abc"), 40000), zstd.WithWindowSize(4<<20))})
	for _, tt := range []struct{ name, arg, want string }{
		{"missing", "missing.pcap", "missing.pcap: no such file or directory"},
		{"no capture", "notes", `notes: not a capture: begins with "notes"`},
		{"glob without match", "*.cap", "*.cap: no file matches"},
		{"directory without capture", "none", "no capture to read"},
		{"window", "bad.zst", "bad.zst: zstd data is damaged near its byte"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, others := range [][]string{nil, {filepath.Join(root, "a.pcap")}} {
				if others != nil && tt.name == "directory without capture" {
					continue
				}
				res := read(t, reader.Options{ZstdWindow: 1 << 20}, append(others, filepath.Join(root, tt.arg))...)
				if res.err == nil || !strings.Contains(strings.ReplaceAll(res.err.Error(), root+string(filepath.Separator), ""), tt.want) {
					t.Errorf("error %v, want %s", res.err, tt.want)
				}
			}
		})
	}
	res := read(t, reader.Options{ZstdWindow: 1 << 20}, filepath.Join(root, "bad.zst"))
	if e, ok := errors.AsType[*packet.Error](res.err); !ok || e.Hint != "raise the limit for the zstd window, 1048576 bytes" {
		t.Errorf("error %+v has no hint to raise the limit", res.err)
	}
	if res := read(t, reader.Options{}, "-"); res.err == nil {
		t.Error("standard input is read, though there is none")
	}
}

func TestEmptyFile(t *testing.T) {
	root := dir(t, map[string][]byte{"empty.pcap": nil, "a.pcap": capture(t, 1, "a")})
	res := read(t, reader.Options{}, filepath.Join(root, "empty.pcap"), filepath.Join(root, "a.pcap"))
	if res.err != nil || res.letters != "a" {
		t.Fatalf("packets %q, error %v", res.letters, res.err)
	}
	if in := res.inputs[0]; in.DamageCount != 1 || in.Format != "empty" {
		t.Errorf("an empty file is %q with damage %v", in.Format, in.Damage)
	}
}

func TestHash(t *testing.T) {
	plain := capture(t, 1, strings.Repeat("abcdefgh", 500))
	root := dir(t, map[string][]byte{
		"plain": plain, "packed": gz(plain), "cut": gz(plain)[:2000], "junk": append(gz(plain), "junk junk junk"...),
		"padded": append(slices.Clone(plain), make([]byte, 5000)...), "damaged": append(slices.Clone(plain), bytes.Repeat([]byte("x"), 5000)...),
	})
	for _, name := range []string{"plain", "packed", "cut", "junk", "padded", "damaged"} {
		for _, limit := range []int64{0, 20000} {
			path := filepath.Join(root, name)
			data, _ := os.ReadFile(path)
			in := read(t, reader.Options{Hash: true, SlabSize: 4096, MaxInputBytes: limit}, path).inputs[0]
			if !in.Hashed || in.SHA256 != sha256.Sum256(data) {
				t.Errorf("%s, limit %d: digest is wrong, or not there: hashed %t", name, limit, in.Hashed)
			}
			if in.Size != int64(len(data)) {
				t.Errorf("%s, limit %d: size %d, want %d", name, limit, in.Size, len(data))
			}
		}
	}
	if in := read(t, reader.Options{}, filepath.Join(root, "plain")).inputs[0]; in.Hashed {
		t.Error("hashed without being asked")
	}
}

func TestCompressed(t *testing.T) {
	letters := strings.Repeat("abcdefgh", 100)
	plain := capture(t, 1, letters)
	badSum := gz(plain)
	badSum[len(badSum)-6] ^= 1
	half := len(plain) / 2
	for _, tt := range []struct {
		name        string
		file        []byte
		compression string
		whole       bool
		damage      string // of the last entry
	}{
		{"gzip", gz(plain), "gzip", true, ""},
		{"gzip of two members", gz(plain[:half], plain[half:]), "gzip", true, ""},
		{"gzip with padding", append(gz(plain), 0, 0, 0), "gzip", true, ""},
		{"gzip, bad checksum", badSum, "gzip", true, "checksum of the gzip data is wrong"},
		{"gzip, bad checksum before a second member", append(badMember(plain[:half]), gz(plain[half:])...), "gzip", true, "checksum of the gzip data is wrong"},
		{"gzip with junk", append(gz(plain), "junk"...), "gzip", true, "something else follows the compressed data"},
		{"gzip cut", gz(plain)[:len(gz(plain))-60], "gzip", false, "gzip data is damaged near its byte"},
		{"zstd", zst(t, plain), "zstd", true, ""},
		{"zstd of two frames", append(zst(t, plain[:half]), zst(t, plain[half:])...), "zstd", true, ""},
		{"zstd cut", zstdBlocks(t, plain[:half], plain[half:])[:half/4], "zstd", false, "zstd data is damaged near its byte"},
		{"zstd in gzip", gz(zst(t, plain)), "gzip+zstd", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testUnpacked(t, tt.file, letters, tt.compression, tt.whole, tt.damage)
		})
	}
}

// zstdBlocks packs each piece into a block of its own.
func zstdBlocks(t testing.TB, pieces ...[]byte) []byte {
	var b bytes.Buffer
	e, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		e.Write(p)
		e.Flush()
	}
	e.Close()
	return b.Bytes()
}

func badMember(data []byte) []byte {
	b := gz(data)
	b[len(b)-6] ^= 1
	return b
}

// TestBomb unpacks far more than it may keep.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 24 MB")
	}
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	w.Write(capture(t, 1, "a"))
	zeros := make([]byte, 1<<20)
	for range 24 {
		w.Write(zeros)
	}
	w.Close()
	root := dir(t, map[string][]byte{"bomb.gz": file.Bytes()})
	path := filepath.Join(root, "bomb.gz")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in := read(t, reader.Options{}, path).inputs[0]
	runtime.ReadMemStats(&after)
	if in.Padding != 24<<20 || in.DamageCount != 0 {
		t.Errorf("padding %d, damage %v", in.Padding, in.Damage)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("unpacking allocates %d bytes", grown)
	}
	in = read(t, reader.Options{MaxInputBytes: 1 << 20}, path).inputs[0]
	if in.Bytes != 1<<20 || len(in.Damage) != 1 || !strings.Contains(in.Damage[0].Error(), "input is longer than the limit of 1048576 bytes") {
		t.Errorf("%d bytes read, damage %v", in.Bytes, in.Damage)
	}
}

// TestPipe checks that packets come as soon as they are written.
func TestPipe(t *testing.T) {
	r, w := io.Pipe()
	file := capture(t, 1, "abc")
	cut := len(file) - 2*17
	go func() {
		w.Write(file[:20])
		w.Write(file[20:cut])
	}()
	c, err := reader.Open(context.Background(), []string{"-"}, reader.Options{Stdin: r})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := c.Next() // would block for ever if it waited for more
	if err != nil || len(b.Packets) != 1 || string(b.Packets[0].Data) != "a" {
		t.Fatalf("first batch %v, error %v", b, err)
	}
	b.Release()
	go func() {
		w.Write(file[cut:])
		w.Close()
	}()
	var rest string
	for {
		b, err := c.Next()
		if err != nil {
			break
		}
		for _, p := range b.Packets {
			rest += string(p.Data)
		}
		b.Release()
	}
	if rest != "bc" {
		t.Errorf("then %q, want %q", rest, "bc")
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	root := dir(t, map[string][]byte{"a": capture(t, 1, strings.Repeat("a", 1000)), "b": capture(t, 1, strings.Repeat("b", 1000))})
	for _, args := range [][]string{{"a"}, {"a", "b"}} {
		for i := range args {
			args[i] = filepath.Join(root, args[i])
		}
		c, err := reader.Open(ctx, args, reader.Options{SlabSize: 256, Hash: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		defer func() {
			for range 1000 {
				b, err := c.Next()
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("error %v, want %v", err, context.Canceled)
					}
					return
				}
				b.Release()
			}
			t.Error("reading goes on after the end of the context")
		}()
	}
	cancel()
}

func FuzzOpen(f *testing.F) {
	plain := capture(f, 1, "abcdefgh")
	ng := capture(f, 1, "abcdefgh", pcaptest.Pcapng())
	for _, file := range [][]byte{nil, plain, ng, gz(plain), gz(ng, plain), zst(f, plain), gz(zst(f, ng)), []byte("no capture")} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		o := reader.Options{MaxPacket: 1000, MaxBlock: 4000, MaxInputBytes: 1 << 20, ZstdWindow: 1 << 20, SlabSize: 4096, Hash: true}
		o.Stdin = bytes.NewReader(file)
		want := read(t, o, "-")
		o.Stdin = iotest.OneByteReader(bytes.NewReader(file))
		got := read(t, o, "-")
		if got.letters != want.letters || fmt.Sprint(got.err) != fmt.Sprint(want.err) {
			t.Fatalf("read size changes the result: %q, %v; want %q, %v", got.letters, got.err, want.letters, want.err)
		}
		if want.err != nil {
			return
		}
		g, w := got.inputs[0], want.inputs[0]
		if g.LostBytes != w.LostBytes || g.Bytes != w.Bytes || g.DamageCount != w.DamageCount || fmt.Sprint(g.Damage) != fmt.Sprint(w.Damage) {
			t.Fatalf("read size changes the result: %d of %d bytes lost, %v; want %d of %d, %v", g.LostBytes, g.Bytes, g.Damage, w.LostBytes, w.Bytes, w.Damage)
		}
	})
}
