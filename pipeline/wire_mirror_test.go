package pipeline_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/tcpassembly"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/wire"
)

// A mirrorReader reads mirrored traffic as ingestors on tcpassembly do: connections
// silent for 5 s are given up, the direction seen first is that of the requests, and a
// connection counts only where it has as many responses as requests. Responses are
// read without knowledge of their request.
type mirrorReader struct {
	t     *testing.T
	asm   *tcpassembly.Assembler
	open  map[string]*bidi
	found map[uint64]mirrored
	lost  []string
}

type mirrored struct {
	req       *http.Request
	resp      *http.Response
	reqBody   []byte
	respBody  []byte
	different bool
}

type bidi struct {
	key  string
	dirs [2]*oneWay
}

type oneWay struct {
	r     *mirrorReader
	bidi  *bidi
	bytes bytes.Buffer
	done  bool
}

// New implements [tcpassembly.StreamFactory].
func (r *mirrorReader) New(netFlow, tcpFlow gopacket.Flow) tcpassembly.Stream {
	key := fmt.Sprint(netFlow, tcpFlow)
	if b := r.open[fmt.Sprint(netFlow.Reverse(), tcpFlow.Reverse())]; b != nil {
		b.dirs[1] = &oneWay{r: r, bidi: b}
		delete(r.open, b.key)
		return b.dirs[1]
	}
	b := &bidi{key: key}
	b.dirs[0] = &oneWay{r: r, bidi: b}
	r.open[key] = b
	return b.dirs[0]
}

func (s *oneWay) Reassembled(parts []tcpassembly.Reassembly) {
	for _, p := range parts {
		if p.Skip != 0 {
			s.r.lost = append(s.r.lost, fmt.Sprintf("%s: %d bytes are missing", s.bidi.key, p.Skip))
		}
		s.bytes.Write(p.Bytes)
	}
}

func (s *oneWay) ReassemblyComplete() {
	s.done = true
	if b := s.bidi; b.dirs[0].done && b.dirs[1] != nil && b.dirs[1].done {
		s.r.both(b)
	}
}

// both reads a connection of which both directions have ended.
func (r *mirrorReader) both(b *bidi) {
	var found []mirrored
	in := bufio.NewReader(&b.dirs[0].bytes)
	for {
		req, err := http.ReadRequest(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			r.lost = append(r.lost, fmt.Sprintf("%s: request: %v", b.key, err))
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			r.lost = append(r.lost, fmt.Sprintf("%s: request body: %v", b.key, err))
			return
		}
		found = append(found, mirrored{req: req, reqBody: body})
	}
	in = bufio.NewReader(&b.dirs[1].bytes)
	n := 0
	for {
		resp, err := http.ReadResponse(in, nil)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			r.lost = append(r.lost, fmt.Sprintf("%s: response: %v", b.key, err))
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			r.lost = append(r.lost, fmt.Sprintf("%s: response body: %v", b.key, err))
			return
		}
		if n < len(found) {
			found[n].resp, found[n].respBody = resp, body
		}
		n++
	}
	if n != len(found) {
		r.lost = append(r.lost, fmt.Sprintf("%s: %d requests and %d responses", b.key, len(found), n))
		return
	}
	for _, f := range found {
		m, err := replay.ParseMarker([]byte(f.req.Header.Get(replay.MarkerHeader)))
		if err != nil {
			r.lost = append(r.lost, fmt.Sprintf("%s: %v", b.key, err))
			continue
		}
		f.different = f.resp.Header.Get(replay.MarkerHeader) != f.req.Header.Get(replay.MarkerHeader)
		r.found[m.Seq] = f
	}
}

// run reads a capture.
func (r *mirrorReader) run(name string) {
	src := open(r.t, name)
	r.asm = tcpassembly.NewAssembler(tcpassembly.NewStreamPool(r))
	r.asm.MaxBufferedPagesTotal, r.asm.MaxBufferedPagesPerConnection = 100_000, 1000
	var flushed time.Time
	for {
		b, err := src.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range b.Packets {
			at := time.Unix(0, b.Packets[i].TimeNS)
			p := gopacket.NewPacket(b.Packets[i].Data, layers.LayerTypeEthernet, gopacket.Default)
			if tcp, ok := p.TransportLayer().(*layers.TCP); ok {
				r.asm.AssembleWithTimestamp(p.NetworkLayer().NetworkFlow(), tcp, at)
			}
			if at.Sub(flushed) > 3*time.Second {
				flushed = at
				r.asm.FlushOlderThan(at.Add(-5 * time.Second))
			}
		}
		b.Release()
	}
}

// What goes out is what a simple reader of mirrored traffic understands: it gets every
// pair, also those with long pauses, pipelining, HEAD, and codings.
func TestReadersOfMirrorsGetEveryPair(t *testing.T) {
	pairs := allPairs(t)
	pairs = append(pairs, slow(t)...)
	events := schedule(pairs, 2)
	name, env := replayFile(t, events, wire.Options{})
	r := &mirrorReader{t: t, open: map[string]*bidi{}, found: map[uint64]mirrored{}}
	r.run(name)
	for _, l := range r.lost {
		t.Error(l)
	}
	sent := env.SentOrder()
	if len(sent) < 300 || len(r.found) != len(sent) {
		t.Errorf("%d pairs were sent, %d found", len(sent), len(r.found))
	}
	for _, seq := range sent {
		f, ok := r.found[seq]
		w := events[seq].Pair
		switch {
		case !ok:
			t.Errorf("#%d %s %s is lost", seq, w.Request.Method, w.Request.Target)
		case f.different:
			t.Errorf("#%d is mispaired", seq)
		case f.req.Method != w.Request.Method || f.req.RequestURI != w.Request.Target || f.resp.StatusCode != int(w.Response.Status):
			t.Errorf("#%d is %s %s %d, want %s %s %d", seq, f.req.Method, f.req.RequestURI, f.resp.StatusCode, w.Request.Method, w.Request.Target, w.Response.Status)
		case !bytes.Equal(f.reqBody, w.Request.Body) || !bytes.Equal(f.respBody, w.Response.Body) && w.Request.Method != "CONNECT":
			t.Errorf("#%d %s %s: bodies differ", seq, w.Request.Method, w.Request.Target)
		}
	}
}

// slow are exchanges of one connection with pauses before, inside and behind.
func slow(t *testing.T) (pairs []*exchange.Pair) {
	t.Helper()
	pairs, _ = readPairs(t, open(t, "../testdata/captures/web.pcap"))
	at := pairs[0].Request.TimeNS + int64(time.Hour)
	conn := *pairs[0].Conn
	conn.ID = exchange.ID{1, 2, 3}
	pairs = pairs[:0:0]
	for i, pause := range []time.Duration{0, 20 * time.Second, 6 * time.Second, time.Second, 30 * time.Minute} {
		again, _ := readPairs(t, open(t, "../testdata/captures/web.pcap"))
		p := again[1] // 16 kB of JSON
		p.Conn, p.Ordinal = &conn, int32(i)
		move := func(m *exchange.Message, begin, end time.Duration) {
			m.TimeNS, m.EndTimeNS = at+int64(begin), at+int64(end)
		}
		move(&p.Request.Message, 0, time.Millisecond)
		move(&p.Response.Message, pause, pause+time.Duration(i)*7*time.Second)
		at += int64(pause + time.Duration(i+1)*8*time.Second)
		pairs = append(pairs, p)
	}
	return pairs
}
