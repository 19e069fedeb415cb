package export_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recap/export"
	"recap/export/all"
	"recap/export/bodies"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "out")
	d, err := export.OpenDir(path, false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789", 300_000)
	for i := 0; i < len(text); i += 77_777 {
		if _, err := f.Write([]byte(text[i:min(i+77_777, len(text))])); err != nil {
			t.Fatal(err)
		}
	}
	f.SetRows(7)
	if _, err := os.Stat(filepath.Join(path, "data")); err == nil {
		t.Error("the file is there before it is whole")
	}
	outs, err := d.Commit()
	if err != nil {
		t.Fatal(err)
	}
	want := export.Output{Name: "data", Rows: 7, Size: int64(len(text)), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(text)))}
	if len(outs) != 1 || outs[0] != want {
		t.Errorf("outputs are %+v, want %+v", outs, want)
	}
	if err := d.WriteManifest(&export.Manifest{Outputs: outs}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, "data": 0o600, "manifest.json": 0o600} {
		if info, err := os.Stat(filepath.Join(path, name)); err != nil || info.Mode() != mode {
			t.Errorf("%q: mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(path, "data")); string(got) != text {
		t.Errorf("the file holds %d bytes that are not what was written", len(got))
	}
	if _, err := export.OpenDir(path, false); !errors.Is(err, export.ErrNotEmpty) {
		t.Errorf("a full directory gives %v, want ErrNotEmpty", err)
	}
	again, err := export.OpenDir(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, "manifest.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the old manifest outlives the beginning of a new run")
	}
	if _, err := os.Stat(filepath.Join(path, "data")); err != nil {
		t.Error("the old data is gone before there is new")
	}
	again.Abort()
}

func TestDirAbortLeavesNoTemporaryFiles(t *testing.T) {
	path := t.TempDir()
	d, err := export.OpenDir(path, false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, 3<<20))
	d.Abort()
	if left, _ := os.ReadDir(path); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestDirRefusesPlantedLinks(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	os.WriteFile(victim, []byte("precious"), 0o600)
	path := filepath.Join(dir, "out")
	os.Mkdir(path, 0o700)
	os.Symlink(victim, filepath.Join(path, "data"))
	os.Symlink(victim, filepath.Join(path, "manifest.json"))
	d, err := export.OpenDir(path, true)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("new"))
	outs, err := d.Commit()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteManifest(&export.Manifest{Outputs: outs}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Errorf("the link's target was overwritten: %q", b)
	}
	for _, name := range []string{"../x", "a/../../b", "", ".", "..", "/etc/x"} {
		d, _ := export.OpenDir(t.TempDir(), false)
		if _, err := d.Create(name); err == nil {
			t.Errorf("Create(%q) works", name)
		}
		d.Abort()
	}
}

func TestDirWriteErrorHasPathAndBytes(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("SKIPPED: no /dev/full here: a full disk was not tried")
	}
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := all.Formats()[1].New(export.NamedWriter("/dev/full", f), export.Options{})
	err = errors.Join(s.Write(&exchange.Batch{Pairs: sinktest.Tricky()}), s.Close())
	var we *export.WriteError
	if !errors.As(err, &we) || we.Path != "/dev/full" || we.Written != 0 {
		t.Errorf("a full disk gives %v", err)
	}
}

func TestGroup(t *testing.T) {
	var released, seen atomic.Int64
	g := export.NewGroup()
	for i := range 3 {
		g.Add(fmt.Sprint("sink", i), sinkFunc(func(b *exchange.Batch) error {
			time.Sleep(time.Duration(i) * 100 * time.Microsecond)
			seen.Add(int64(len(b.Pairs)))
			return nil
		}))
	}
	for range 100 {
		b := exchange.NewBatch(func(*exchange.Batch) { released.Add(1) })
		b.Pairs = make([]*exchange.Pair, 5)
		if err := g.Write(b); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if seen.Load() != 1500 || released.Load() != 100 {
		t.Errorf("%d pairs seen, %d batches released; want 1500, 100", seen.Load(), released.Load())
	}
}

func TestGroupStopsAtTheFirstError(t *testing.T) {
	bad := errors.New("bad")
	var released atomic.Int64
	g := export.NewGroup()
	g.Add("good", sinkFunc(func(*exchange.Batch) error { return nil }))
	g.Add("bad", sinkFunc(func(*exchange.Batch) error { return bad }))
	g.Add("slow", sinkFunc(func(*exchange.Batch) error { time.Sleep(time.Millisecond); return nil }))
	n := int64(0)
	var err error
	for ; err == nil && n < 10_000; n++ {
		b := exchange.NewBatch(func(*exchange.Batch) { released.Add(1) })
		err = g.Write(b)
		b.Release()
	}
	var se *export.SinkError
	if !errors.Is(err, bad) || !errors.As(err, &se) || se.Sink != "bad" {
		t.Errorf("Write returned %v, want the error of the sink bad", err)
	}
	if err := g.Close(); !errors.Is(err, bad) {
		t.Errorf("Close returned %v", err)
	}
	if released.Load() != n {
		t.Errorf("%d of %d batches were released", released.Load(), n)
	}
}

func TestManifest(t *testing.T) {
	ns := int64(1_700_000_000_000_000_001)
	in := &packet.Input{
		Name: "a.pcap", Size: 5, Format: "pcap", Hashed: true, Packets: 2, FirstNS: ns, LastNS: packet.NoTime,
		Secrets: [][]byte{[]byte(canary)}, DamageCount: 2, LostBytes: 9,
		Damage: []*packet.Error{
			{File: "a.pcap", Packet: 2, Offset: 40, Err: errors.New("cut"), Saved: "1 packet"}, {File: "a.pcap", Offset: -1},
		},
	}
	ledger := &exchange.Ledger{PacketsRead: 3, Packets: map[string]int64{"udp": 2}}
	var tally export.Tally
	cut := &exchange.StreamMessage{}
	cut.Anomalies.Add(exchange.AnomalyLostSegment)
	tally.Write(&exchange.Batch{Pairs: sinktest.Tricky(), Flows: sinktest.TrickyFlows(), Messages: []*exchange.StreamMessage{cut, cut}})
	tally.Close()
	m := &export.Manifest{
		Tool: export.Tool{Name: "recap", Version: "1"}, Options: map[string]any{"z": 1, "a": []string{"<b>"}},
		Inputs: []export.ManifestInput{export.InputOf(in)}, Ledger: export.LedgerOf(ledger), Pairs: tally.ManifestPairs, Flows: tally.Flows, Messages: tally.Messages, Anomalies: tally.Anomalies,
	}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := m.Encode(); string(again) != string(text) {
		t.Error("the same manifest is written in two ways")
	}
	for _, want := range []string{
		`"format": "recap-manifest/1"`, `"balanced": false`, `"first_time": "2023-11-14T22:13:20.000000001Z"`, `"last_time": null`,
		`"packets_read": 3`, `"offset": 40`, `"offset": null`, `"cause": "cut"`, `"secret_blocks": 1`, `"<b>"`, `"cut": []`,
		`"request_only": 2`, `"escaped_bytes": 4`, `"flows": 3`, `"messages": 2`, `"lost_segment": 6`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), canary) {
		t.Error("a key log was copied")
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Error(err)
	}
}

func TestWhere(t *testing.T) {
	p := sinktest.Realistic(3, 1)[1]
	p.Anomalies.Add(exchange.AnomalyRST)
	lonely := &exchange.Pair{Conn: p.Conn, State: exchange.RequestOnly, Request: p.Request}
	tricky := sinktest.Tricky()[0]
	for _, tt := range []struct {
		expr string
		pair *exchange.Pair
		want bool
	}{
		{`response.status >= 200`, p, true},
		{`response.status >= 500 && request.host endsWith ".corp"`, p, false},
		{`response.status >= 500 || request.host endsWith ".com"`, p, true},
		{`response.status == 200`, lonely, false},
		{`response.status != 200`, lonely, false},
		{`not (response.status == 200)`, lonely, true},
		{`response == nil`, lonely, true},
		{`response == nil`, p, false},
		{`nil != response`, p, true},
		{`response.status == nil`, lonely, true},
		{`response.status + 1 > 100`, lonely, false},
		{`response.status in [200, 204]`, p, true},
		{`request.method in ["POST", "PUT"]`, p, true},
		{`request.header("content-type") contains "json"`, p, false},
		{`response.header("CONTENT-type") contains "json"`, p, true},
		{`response.header("CONTENT-type") contains "json"`, lonely, false},
		{`request.header("absent") == nil`, p, true},
		{`any(request.headers, .name == "Host" && .value == "api.example.com")`, p, true},
		{`any(response.headers, .name == "Host")`, lonely, false},
		{`len(request.headers) == 7`, p, true},
		{`"rst" in anomalies`, p, true},
		{`"rst" in anomalies`, lonely, false},
		{`request.body startsWith "{"`, p, true},
		{`response.body matches "has_more.:(true|false)"`, p, true},
		{`response.body contains "x"`, lonely, false},
		{`tls.decrypted`, p, false},
		{`tls == nil`, p, true},
		{`tls.decrypted and tls.alpn == "h2"`, tricky, true},
		{`any(tunnels, .id > 100)`, tricky, true},
		{`all(tunnels, .id != 5)`, tricky, false},
		{`4094 in vlans`, tricky, true},
		{`state == "request_only"`, lonely, true},
		{`client.port == 65535 && server.ip == "192.0.2.1"`, tricky, true},
		{`request.time > date("2023-01-01T00:00:00Z")`, p, true},
		{`latency_ns < 1000000`, p, true},
		{`capture.first_packet == 1`, tricky, true},
		{`lower(request.host) == "api.example.com"`, p, true},
		{`lower(response.reason) == "ok"`, lonely, false},
		{`len(response.body) > 0`, lonely, false},
		{`let s = response.status; s != nil && s >= 200`, p, true},
		{`(response.status ?? 0) == 0`, lonely, true},
		{`request.path matches "^/api/v[0-9]+/users/"`, p, true},
		{`any(response.interim, .status == 103 && any(.headers, .name == "Link"))`, tricky, true},
	} {
		f, err := export.NewFilter(tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		if got, err := f.Match(tt.pair); err != nil || got != tt.want {
			t.Errorf("%s: %t, %v; want %t", tt.expr, got, err, tt.want)
		}
	}
}

func TestWhereErrorsShowTheirPlace(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`response.statu > 5`, "response has no field \"statu\" (1:10)\n | response.statu > 5\n | .........^"},
		{`respons.status > 5`, `unknown field "respons" (1:1)`},
		{`response.status > "a"`, "mismatched types"},
		{`response.status >`, "unexpected token EOF (1:17)"},
		{`response.status`, "expected bool"},
		{`response`, "response is a group"},
		{`foo(1) == 2`, `unknown field "foo"`},
		{`request.body_encoding == "utf8"`, "no field"},
	} {
		_, err := export.NewFilter(tt.expr)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.expr, err, tt.want)
		}
	}
}

func TestBodies(t *testing.T) {
	dir := t.TempDir()
	pairs := sinktest.Realistic(50, 1)
	victim := filepath.Join(t.TempDir(), "victim")
	os.WriteFile(victim, []byte("precious"), 0o600)
	name := fmt.Sprintf("%x", pairs[0].Response.BodySHA256)
	os.MkdirAll(filepath.Join(dir, name[:2]), 0o700)
	os.Symlink(victim, filepath.Join(dir, name[:2], name))
	cut := *pairs[1]
	cut.Response.Body, cut.Response.BodySize = []byte("only the beginning"), 1000
	s, err := bodies.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, p := range pairs {
		for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
			if m.HasBody {
				want[fmt.Sprintf("%x", m.BodySHA256)] = true
			}
		}
	}
	for range 2 {
		if err := s.Write(&exchange.Batch{Pairs: append([]*exchange.Pair{&cut}, pairs...)}); err != nil {
			t.Fatal(err)
		}
	}
	if s.Rows() != int64(len(want)) {
		t.Errorf("%d bodies written, want %d", s.Rows(), len(want))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		n++
		b, _ := os.ReadFile(path)
		info, _ := os.Lstat(path)
		if fmt.Sprintf("%x", sha256.Sum256(b)) != e.Name() || info.Mode() != 0o600 || filepath.Base(filepath.Dir(path)) != e.Name()[:2] {
			t.Errorf("%s holds something else, or has mode %v", path, info.Mode())
		}
		return nil
	})
	if n != len(want) {
		t.Errorf("%d files, want %d", n, len(want))
	}
	if b, _ := os.ReadFile(victim); string(b) != "precious" {
		t.Error("a planted link was followed")
	}
}

func TestBodiesRefusesALinkForAFolder(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	p := sinktest.Realistic(1, 1)[0]
	os.Symlink(other, filepath.Join(dir, fmt.Sprintf("%x", p.Response.BodySHA256[:1])))
	s, err := bodies.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var we *export.WriteError
	if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); !errors.As(err, &we) {
		t.Errorf("the error is %v, want an export.WriteError", err)
	}
	if left, _ := os.ReadDir(other); len(left) > 0 {
		t.Errorf("%v was written through the link", left)
	}
}

func TestChoose(t *testing.T) {
	fs, err := all.Choose([]string{"jsonl"})
	if err != nil || len(fs) != 3 || fs[0].Name != "jsonl" || !fs[1].Always || !fs[2].Always {
		t.Errorf("Choose(jsonl) = %v, %v", fs, err)
	}
	if _, err := all.Choose([]string{"xml"}); err == nil || !strings.Contains(err.Error(), "parquet, jsonl") {
		t.Errorf("an unknown format gives %v", err)
	}
}

// BenchmarkWhere filters pairs by two fields.
func BenchmarkWhere(b *testing.B) {
	pairs := sinktest.Realistic(1000, 1)
	f, err := export.NewFilter(`response.status >= 500 && request.host endsWith ".corp"`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		f.Match(pairs[i%len(pairs)])
	}
}

// BenchmarkRedact redacts headers without a key.
func BenchmarkRedact(b *testing.B) {
	pairs := sinktest.Realistic(1000, 1)
	s := export.NewRedactor(export.RedactHeaders, nil, sinkFunc(func(*exchange.Batch) error { return nil }))
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(pairs) {
		s.Write(&exchange.Batch{Pairs: pairs})
	}
}

func TestTimesAreRoundedDown(t *testing.T) {
	for _, tt := range []struct{ ns, micros, millis int64 }{
		{0, 0, 0}, {999, 0, 0}, {1000, 1, 0}, {999_999, 999, 0}, {1_000_000, 1000, 1},
		{-1, -1, -1}, {-1000, -1, -1}, {-1001, -2, -1}, {-1_000_000, -1000, -1}, {-1_000_001, -1001, -2},
	} {
		if micros, millis := export.Micros(tt.ns), export.Millis(tt.ns); micros != tt.micros || millis != tt.millis {
			t.Errorf("%d ns are %d µs and %d ms, want %d and %d", tt.ns, micros, millis, tt.micros, tt.millis)
		}
	}
}
