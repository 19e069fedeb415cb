package pipeline

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// wireRecord is a packet record of a pcap file in little-endian order, Ethernet.
type wireRecord struct {
	head  [16]byte
	frame []byte
}

// records splits a pcap file.
func records(t testing.TB, file []byte) (head []byte, list []wireRecord) {
	t.Helper()
	head, b := file[:24], file[24:]
	for len(b) >= 16 {
		n := 16 + int(binary.LittleEndian.Uint32(b[8:]))
		if n > len(b) {
			t.Fatal("the file is cut")
		}
		list = append(list, wireRecord{[16]byte(b[:16]), b[16:n]})
		b = b[n:]
	}
	return head, list
}

func (r *wireRecord) append(b []byte) []byte {
	binary.LittleEndian.PutUint32(r.head[8:], uint32(len(r.frame)))
	binary.LittleEndian.PutUint32(r.head[12:], uint32(len(r.frame)))
	return append(append(b, r.head[:]...), r.frame...)
}

// inVXLAN wraps a frame as a mirror does, between hosts of its own.
func inVXLAN(frame []byte, vni byte) []byte {
	b := slices.Concat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0},
		[]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2},
		[]byte{0xc0, 0, 0x12, 0xb5, 0, 0, 0, 0}, []byte{8, 0, 0, 0, 0, 0, vni, 0}, frame)
	binary.BigEndian.PutUint16(b[16:], uint16(len(b)-14))
	binary.BigEndian.PutUint16(b[38:], uint16(len(b)-34))
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[24:], ^uint16(sum))
	return b
}

// atTwoTaps shows every packet of a capture at the place where it was taken, and, mirrored,
// at another; miss1 and miss2 tell which packets, from 0, each of them lacks.
func atTwoTaps(t testing.TB, file []byte, miss1, miss2 func(n int) bool) []byte {
	t.Helper()
	out, list := records(t, file)
	out = slices.Clone(out)
	for i, r := range list {
		if !miss1(i) {
			out = r.append(out)
		}
		if r.frame = inVXLAN(r.frame, 7); !miss2(i) {
			out = r.append(out)
		}
	}
	return out
}

// callLines writes gRPC calls with what they carried.
func callLines(pairs []*exchange.Pair, messages []*exchange.StreamMessage) string {
	var b strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&b, "%d %s %s %s %d %x %x", p.Conn.Client.Port, p.State, p.Kind, p.Request.Path, p.Response.Status, p.Request.BodySHA256[:4], p.Response.BodySHA256[:4])
		for _, h := range p.Response.Trailers {
			fmt.Fprintf(&b, " %s=%s", h.Name, h.Value)
		}
		b.WriteByte('\n')
		for _, m := range messages {
			if m.PairID == p.ID {
				fmt.Fprintf(&b, "  %d %c %d %x %t\n", m.Ordinal, "><"[m.Dir], m.Size, m.SHA256[:4], m.Partial)
			}
		}
	}
	return sortCalls(b.String())
}

// sortCalls puts calls into the order of their text: which of several that end together
// comes first may depend on the tap.
func sortCalls(text string) string {
	calls := strings.Split(strings.ReplaceAll(text, "\n  ", "\x00"), "\n")
	slices.Sort(calls)
	return strings.ReplaceAll(strings.Join(calls, "\n"), "\x00", "\n  ")
}

// TestGRPCAtTwoTaps: calls and their messages come once, whole, also where each tap
// lacks what the other has.
func TestGRPCAtTwoTaps(t *testing.T) {
	file, err := os.ReadFile("../testdata/captures/grpc.pcap")
	if err != nil {
		t.Fatal(err)
	}
	none := func(int) bool { return false }
	onePairs, oneMessages, _ := messagesOf(t, file, full)
	want := callLines(onePairs, oneMessages)
	if len(oneMessages) < 15 {
		t.Fatalf("%d messages", len(oneMessages))
	}
	_, list := records(t, file)
	carries := func(n int) bool { return len(list[n].frame) > 80 } // not an acknowledgement alone
	for _, tt := range []struct {
		name         string
		miss1, miss2 func(n int) bool
	}{
		{"both have all", none, none},
		{"the first lacks some", func(n int) bool { return n%5 == 3 && carries(n) }, none},
		{"the second lacks some", none, func(n int) bool { return n%5 == 3 && carries(n) }},
		{"each lacks some", func(n int) bool { return n%10 == 3 && carries(n) }, func(n int) bool { return n%10 == 8 && carries(n) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both := atTwoTaps(t, file, tt.miss1, tt.miss2)
			pairs, messages, _ := messagesOf(t, both, full)
			if got := callLines(pairs, messages); got != want {
				t.Errorf("%d pairs and %d messages, want %d and %d; got\n%swant\n%s", len(pairs), len(messages), len(onePairs), len(oneMessages), got, want)
			}
			if tt.name != "both have all" {
				return
			}
			for _, p := range pairs {
				if len(p.Vantages) != 1 {
					t.Errorf("%s of port %d has %d vantages", p.Request.Path, p.Conn.Client.Port, len(p.Vantages))
				}
			}
		})
	}
}
