package pipeline

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader"
	"recap/reader/packet"
)

var (
	tapSeeds = flag.Int("tap-seeds", 6, "captures made for each conversation that several taps see")
	tapFirst = flag.Int("tap-first", 0, "seed of the first of them")
)

// talks are the conversations that taps show, and the secrets to read them with.
var talks = []struct{ name, file, keys string }{
	{"HTTP/2 by prior knowledge and by upgrade", "h2c.pcap", ""},
	{"gRPC", "grpc.pcap", ""},
	{"WebSocket and event streams", "streams.pcap", ""},
	{"HTTP/2 in TLS 1.3", "h2-tls.pcapng", ""},
	{"HTTP/1.1 in TLS 1.2", "tls12.pcap", "tls12.keylog"},
	{"HTTP/1.1 in TLS 1.3", "tls13.pcapng", ""},
	{"HTTP/1.1 of many forms", "web.pcap", ""},
}

// tapped is one packet as one tap shows it.
type tapped struct {
	at    int64 // nanoseconds
	frame []byte
	of    int // bytes before the snap length cut it
}

// readTalk returns the packets of a capture, and options with its secrets and those of a key log.
func readTalk(t *testing.T, file, keys string) (list []tapped, opt Options) {
	t.Helper()
	dir := "../testdata/captures/"
	src, err := reader.Open(t.Context(), []string{dir + file}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			if p.Link != packet.LinkEthernet {
				t.Fatalf("%s has link type %d", file, p.Link)
			}
			list = append(list, tapped{p.TimeNS, slices.Clone(p.Data), len(p.Data)})
		}
		b.Release()
	}
	log := new(tls.Keys)
	for _, in := range src.Inputs() {
		for _, text := range in.Secrets {
			log.Add(text)
		}
	}
	if keys != "" {
		text, err := os.ReadFile(dir + keys)
		if err != nil {
			t.Fatal(err)
		}
		log.Add(text)
	}
	opt = full
	opt.Keys = log
	return list, opt
}

// wholeTogether reports whether the taps together have all that list holds.
func wholeTogether(list []tapped, seen ...[]tapped) bool {
	have := map[string]map[uint32]bool{}
	for _, tap := range seen {
		for _, p := range tap {
			inner(p.frame, func(flow string, seq uint32, b []byte) {
				if have[flow] == nil {
					have[flow] = map[uint32]bool{}
				}
				for i := range b {
					have[flow][seq+uint32(i)] = true
				}
			})
		}
	}
	missing := false
	for _, p := range list {
		inner(p.frame, func(flow string, seq uint32, b []byte) {
			for i := range b {
				missing = missing || !have[flow][seq+uint32(i)]
			}
		})
	}
	return !missing
}

// inner calls f with the segment that a tap's frame holds; a SYN and a FIN count as a byte.
func inner(frame []byte, f func(flow string, seq uint32, b []byte)) {
	for len(frame) > 54 {
		if frame[12] == 0x81 {
			frame = slices.Concat(frame[:12], frame[16:])
		}
		if tcp, payload, ok := tcpOf(frame); ok && payload <= len(frame) {
			b := frame[payload:min(len(frame), 14+int(binary.BigEndian.Uint16(frame[16:])))]
			seq := binary.BigEndian.Uint32(frame[tcp+4:])
			if frame[tcp+13]&3 != 0 {
				b = append(slices.Clone(b), 0)
			}
			f(string(frame[26:34])+string(frame[tcp:tcp+4]), seq, b)
			return
		}
		switch {
		case len(frame) >= 50 && frame[23] == 17:
			frame = frame[50:]
		case len(frame) >= 42 && frame[23] == 47:
			frame = frame[42:]
		default:
			return
		}
	}
}

// pairLines writes each pair with what it carried: name is which, text all of it.
func pairLines(pairs []*exchange.Pair, messages []*exchange.StreamMessage) (lines []string) {
	for _, p := range pairs {
		var b strings.Builder
		fmt.Fprintf(&b, "%d %s %s %s %q %d %x %x %d", p.Conn.Client.Port, p.State, p.Kind, p.Request.Method, p.Request.Target, p.Response.Status,
			p.Request.BodySHA256[:4], p.Response.BodySHA256[:4], p.Response.BodySize)
		for _, list := range [][]exchange.Header{p.Request.Headers, p.Request.Trailers, p.Response.Headers, p.Response.Trailers} {
			b.WriteString(" |")
			for _, h := range list {
				fmt.Fprintf(&b, " %s=%s", h.Name, h.Value)
			}
		}
		for _, m := range messages {
			if m.PairID == p.ID {
				fmt.Fprintf(&b, "\n  %d %c %s %q %t", m.Ordinal, "><"[m.Dir], m.Type, m.Payload, m.Partial)
			}
		}
		lines = append(lines, b.String())
	}
	slices.Sort(lines)
	return lines
}

// TestTapsOfAllProtocols: what several taps show of a conversation in any protocol comes
// once, whole where any of them has it, with the others as vantages; and apart where
// tunnels are kept apart.
func TestTapsOfAllProtocols(t *testing.T) {
	if compareTaps(t, randomViews, 1086, 5005, 5116) == 0 && *tapSeeds > 5 {
		t.Error("no capture in which the taps together have all")
	}
}

// TestTapsOutsideTunnels: the same where only VLANs, MAC addresses and times to live tell the
// taps apart.
func TestTapsOutsideTunnels(t *testing.T) {
	compareTaps(t, viewsOutside, 8, 12)
}

// TestTapThatCuts: the same where one of them cuts every packet to one length, be it first or
// last.
func TestTapThatCuts(t *testing.T) {
	if compareTaps(t, viewsWithCut, 1094, 1125) == 0 {
		t.Error("no capture in which the taps together have all")
	}
}

// TestTapThatCutsAmongLosses: what all of them lack may be missing, and nothing comes twice.
func TestTapThatCutsAmongLosses(t *testing.T) {
	compareTaps(t, func(r *rand.Rand) []*tapView {
		views := viewsWithCut(r)
		for _, v := range views {
			v.loss = []float64{0.02, 0.1, 0.2}[r.IntN(3)]
		}
		return views
	}, 303, 314, 316, 350)
}

// TestOneTapThatCuts: a tap that cuts, and is the only one, gives the same whether another is
// waited for or not.
func TestOneTapThatCuts(t *testing.T) {
	for _, talk := range talks {
		t.Run(talk.name, func(t *testing.T) {
			list, opt := readTalk(t, talk.file, talk.keys)
			for seed := *tapFirst; seed < *tapFirst+*tapSeeds; seed++ {
				r := rand.New(rand.NewPCG(uint64(seed), 8))
				v := tapView{place: "vxlan", id: 10, back: 10, loss: []float64{0, 0.05}[r.IntN(2)], snap: 120 + r.IntN(1281), mirror: r.IntN(2) == 0}
				file := inOrder(t, v.at(list, r))
				opt.SplitTunnels = false
				got, some, patient := messagesOf(t, file, opt)
				opt.SplitTunnels = true
				want, all, hasty := messagesOf(t, file, opt)
				if got, want := pairLines(got, some), pairLines(want, all); !slices.Equal(got, want) {
					t.Errorf("seed %d, %v: %d pairs, want %d:\n%s", seed, &v, len(got), len(want), diffLines(got, want))
				}
				if !maps.Equal(patient.Anomalies, hasty.Anomalies) {
					t.Errorf("seed %d, %v: anomalies %v, want %v", seed, &v, patient.Anomalies, hasty.Anomalies)
				}
			}
		})
	}
}

// compareTaps makes a capture of what taps show with each seed of the flags, and with further
// ones that once showed a fault. It returns in how many captures of a conversation, at least,
// the taps together have all.
func compareTaps(t *testing.T, draw func(*rand.Rand) []*tapView, further ...int) (fewest int) {
	fewest = math.MaxInt
	seeds := further
	for i := range *tapSeeds {
		seeds = append(seeds, *tapFirst+i)
	}
	for _, talk := range talks {
		t.Run(talk.name, func(t *testing.T) {
			list, opt := readTalk(t, talk.file, talk.keys)
			plain, messages, _ := messagesOf(t, inOrder(t, list), opt)
			want := pairLines(plain, messages)
			if len(want) < 4 {
				t.Fatalf("%d pairs", len(want))
			}
			whole := 0
			for _, seed := range seeds {
				r := rand.New(rand.NewPCG(uint64(seed), 7))
				views := draw(r)
				shown := make([][]tapped, len(views))
				for i, v := range views {
					shown[i] = v.at(list, r)
				}
				file := inOrder(t, shown...)
				if dir := os.Getenv("RECAP_TAPS_KEEP"); dir != "" {
					os.WriteFile(fmt.Sprintf("%s/%s-%d.pcap", dir, talk.file, seed), file, 0o600)
				}
				pairs, messages, _ := messagesOf(t, file, opt)
				got := pairLines(pairs, messages)
				name := fmt.Sprintf("seed %d, %v", seed, views)
				if wholeTogether(list, shown...) {
					whole++
					if !slices.Equal(got, want) {
						t.Errorf("%s: %d pairs, want %d:\n%s", name, len(got), len(want), diffLines(got, want))
					}
					checkVantages(t, name, views, pairs)
				} else {
					checkNoneTwice(t, name, pairs, plain)
				}
				checkApart(t, name, views, shown, opt)
			}
			fewest = min(fewest, whole)
		})
	}
	return fewest
}

// diffLines shows which lines differ.
func diffLines(got, want []string) string {
	var b strings.Builder
	for _, l := range got {
		if !slices.Contains(want, l) || howOften(got, l) > howOften(want, l) {
			fmt.Fprintf(&b, "  more: %.110q\n", l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			fmt.Fprintf(&b, "  less: %.110q\n", l)
		}
	}
	return b.String()
}

func howOften(list []string, line string) (n int) {
	for _, l := range list {
		if l == line {
			n++
		}
	}
	return n
}

// checkVantages holds the vantages against the taps where each shows all. Taps that differ
// in addresses of the link layer only are one place.
func checkVantages(t *testing.T, name string, views []*tapView, pairs []*exchange.Pair) {
	t.Helper()
	delays := map[string]int64{}
	for _, v := range views {
		if v.loss > 0 || v.recut != "" || v.snap > 0 {
			return
		}
		if _, ok := delays[v.mark()]; !ok || v.delay < delays[v.mark()] {
			delays[v.mark()] = v.delay
		}
	}
	for _, p := range pairs {
		own := markOf(p.Conn.Tunnels, p.Conn.VLANs)
		seen := map[string]int64{own: 0}
		for _, v := range p.Vantages {
			seen[markOf(v.Tunnels, v.VLANs)] = v.DelayNS
		}
		for mark, delay := range delays {
			if got, ok := seen[mark]; !ok || got != delay-delays[own] {
				t.Errorf("%s: %d %s, of %q, has the vantages %v; want %v", name, p.Conn.Client.Port, p.Request.Target, own, seen, delays)
				return
			}
		}
	}
}

// mark names the place of v by what records tell of it; of a tap with a tunnel for each
// direction, without the ids.
func (v *tapView) mark() string {
	switch {
	case v.apart():
		return v.place
	case v.place == "vlan":
		return fmt.Sprint("vlan ", v.id)
	}
	return ""
}

// markOf names a place as [tapView.mark] does.
func markOf(tunnels []exchange.Tunnel, vlans []int32) string {
	switch {
	case len(tunnels) > 0:
		return tunnels[0].Type
	case len(vlans) > 0:
		return fmt.Sprint("vlan ", vlans[0])
	}
	return ""
}

// checkNoneTwice: what the taps lack may be missing, and no message comes more often than
// it was said.
func checkNoneTwice(t *testing.T, name string, got, want []*exchange.Pair) {
	t.Helper()
	said := map[string]int{}
	for _, p := range want {
		for _, h := range headsOf(p) {
			said[h]++
		}
	}
	bad := 0
	for _, p := range got {
		for _, h := range headsOf(p) {
			if n, ok := said[h]; ok && n == 0 {
				if bad++; bad < 4 {
					t.Errorf("%s: comes too often: %.200s (%s)", name, h, p.State)
				}
			} else if ok {
				said[h]--
			}
		}
	}
}

// headsOf names the messages of p by their heads.
func headsOf(p *exchange.Pair) (list []string) {
	if p.Request.Present && p.Request.Target != "" {
		list = append(list, fmt.Sprint(p.Conn.Client.Port, " ", p.Request.Method, " ", p.Request.Target, p.Request.Headers))
	}
	if p.Response.Present && p.Response.Status != 0 {
		list = append(list, fmt.Sprint(p.Conn.Client.Port, " ", p.Response.Status, p.Response.Headers))
	}
	return list
}

// checkApart: where tunnels are kept apart each tap gives what it gives alone.
func checkApart(t *testing.T, name string, views []*tapView, shown [][]tapped, opt Options) {
	t.Helper()
	for _, v := range views {
		if !v.apart() {
			return
		}
	}
	opt.SplitTunnels = true
	var want []string
	for _, s := range shown {
		pairs, messages, _ := messagesOf(t, inOrder(t, s), opt)
		want = append(want, pairLines(pairs, messages)...)
	}
	slices.Sort(want)
	pairs, messages, _ := messagesOf(t, inOrder(t, shown...), opt)
	if got := pairLines(pairs, messages); !slices.Equal(got, want) {
		t.Errorf("%s, apart: %d pairs, want %d:\n%s", name, len(got), len(want), diffLines(got, want))
	}
}
