package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// messagesOf reads a capture and returns its pairs and messages.
func messagesOf(t testing.TB, capture []byte, opt Options) (pairs []*exchange.Pair, messages []*exchange.StreamMessage, st *Stats) {
	t.Helper()
	src, err := reader.Open(t.Context(), []string{"-"}, reader.Options{Stdin: bytes.NewReader(capture)})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	st, err = Run(t.Context(), src, opt, func(b *exchange.Batch) error { // not released: the pairs stay as they are
		pairs = append(pairs, b.Pairs...)
		messages = append(messages, b.Messages...)
		return nil
	})
	var damage *packet.Error
	if err != nil && !errors.As(err, &damage) {
		t.Fatal(err)
	}
	if p, b := st.Ledger.Balance(); p != 0 || b != 0 {
		t.Fatalf("ledger is out of balance by %d packets and %d bytes: %+v", p, b, st.Ledger)
	}
	return pairs, messages, st
}

// messageLines writes messages as `PAIR ORDINAL > type "payload"`; PAIR is the place of
// the pair among the pairs.
func messageLines(pairs []*exchange.Pair, messages []*exchange.StreamMessage) string {
	at := map[exchange.ID]int{}
	for i, p := range pairs {
		at[p.ID] = i + 1
	}
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "%d %d %c %s %q", at[m.PairID], m.Ordinal, "><"[m.Dir], m.Type, m.Payload)
		if m.Partial {
			b.WriteString(" partial")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const (
	wsRequest  = `"GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"`
	wsResponse = `"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`
	client     = "10.0.0.1:4000 > 10.0.0.2:80 "
	server     = "10.0.0.2:80 > 10.0.0.1:4000 "
)

// twice writes every packet line in two tunnels; "1|" and "2|" in front of a line
// choose one.
func twice(text string) string {
	var b strings.Builder
	b.WriteString("handshake\n")
	n := 0
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		n++
		for tap := 1; tap <= 2 && l != ""; tap++ {
			one := l
			if at, rest, ok := strings.Cut(l, "|"); ok && len(at) == 1 {
				if at != fmt.Sprint(tap) {
					continue
				}
				one = rest
			}
			fmt.Fprintf(&b, "%s vxlan=%d ipid=%d\n", one, tap, n) // with the same sequence numbers
		}
	}
	return b.String()
}

// call and answered are the heads of an exchange of gRPC-Web, the second without its end.
func call(form string, length int) string {
	return fmt.Sprintf(`"POST /shop.Cart/Add HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/grpc-web%s+proto\r\nContent-Length: %d\r\n\r\n`, form, length)
}

func answered(form string) string {
	return fmt.Sprintf(`"HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web%s+proto\r\nTransfer-Encoding: chunked\r\n`, form)
}

func TestMessagesOfStreams(t *testing.T) {
	events := `"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n`
	get := `"GET /events HTTP/1.1\r\nHost: shop.example\r\n\r\n"`
	for _, tt := range []struct{ name, text, want string }{
		{"a WebSocket, whose first frame comes with the handshake",
			"handshake\n" + client + wsRequest + "\n" + server + wsResponse + `\x81\x02hi" ` + "\n" + client + `hex=818100000000` + "61\n" + server + `hex=880203e8` + " close",
			"1 0 < text \"hi\"\n1 1 > text \"a\"\n1 2 < close \"\"\n"},
		{"events of a response that is not finished",
			"handshake\n" + client + get + "\n" + server + events + `8\r\ndata: a\n\r\n"` + "\n" + server + `"5\r\n\nid:\n\r\n"` + "\n" + server + `"6\r\ndata: \r\n"`,
			"1 0 < message \"a\"\n1 1 < message \"\" partial\n"},
		{"events of a response that the close ends",
			"handshake\n" + client + get + "\n" + server + `"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: x\rdata: a\r\r"` + "\n" + server + `"data: b\n\n" close`,
			"1 0 < x \"a\"\n1 1 < message \"b\"\n"},
		{"a WebSocket seen by two taps",
			twice(client + wsRequest + "\n" + server + wsResponse + `"` + "\n" + client + "hex=8181" + "0000000061" + "\n" + client + "hex=8181" + "0000000061" + "\n" + server + "hex=8900"),
			"1 0 > text \"a\"\n1 1 > text \"a\"\n1 2 < ping \"\"\n"},
		{"a WebSocket of which each of two taps misses something",
			twice(client + wsRequest + "\n" + server + wsResponse + `"` + "\n1|" + server + "hex=810161" + "\n2|" + server + "hex=810161\n" + server + "hex=810162\n1|" + server + "hex=810163"),
			"1 0 < text \"a\"\n1 1 < text \"b\"\n1 2 < text \"c\"\n"},
		{"events seen by two taps",
			twice(client + get + "\n" + server + events + `9\r\ndata: a\n\n\r\n"` + "\n" + server + `"9\r\ndata: b\n\n\r\n0\r\n\r\n"`),
			"1 0 < message \"a\"\n1 1 < message \"b\"\n"},
		{"gRPC-Web over HTTP/1.1",
			"handshake\n" + client + call("", 6) + `\x00\x00\x00\x00\x01q"` + "\n" + server + answered("") +
				`\r\n5\r\n\x00\x00\x00\x00\x02\r\n"` + "\n" + server + `"2\r\nok\r\n8\r\n\x80\x00\x00\x00\x03s:0\r\n0\r\n\r\n"`,
			"1 0 > message \"q\"\n1 1 < message \"ok\"\n1 2 < trailers \"s:0\"\n"},
		{"gRPC-Web in base64",
			"handshake\n" + client + call("-text", 8) + `AAAAAAFx"` + "\n" + server + answered("-text") +
				`\r\nc\r\nAAAAAAJvaw==\r\n"` + "\n" + server + `"c\r\ngAAAAANzOjA=\r\n0\r\n\r\n"`,
			"1 0 > message \"q\"\n1 1 < message \"ok\"\n1 2 < trailers \"s:0\"\n"},
		{"gRPC-Web whose answer is cut",
			"handshake\n" + client + call("", 6) + `\x00\x00\x00\x00\x01q"` + "\n" + server + answered("") + `\r\n7\r\n\x00\x00\x00\x00\x09ok\r\n" close`,
			"1 0 > message \"q\"\n1 1 < message \"ok\" partial\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			capture := pcaptest.Build(t, tt.text)
			pairs, messages, _ := messagesOf(t, capture, full)
			if got := messageLines(pairs, messages); got != tt.want || len(pairs) != 1 {
				t.Errorf("%d pairs; got\n%swant\n%s", len(pairs), got, tt.want)
			}
			for _, workers := range []int{3, 16} {
				opt := full
				opt.Workers = workers
				_, again, _ := messagesOf(t, capture, opt)
				if !reflect.DeepEqual(again, messages) {
					t.Errorf("%d workers give other messages than one", workers)
				}
			}
		})
	}
}

// TestMessagesOfTwoTenants: the same said twice with the same addresses, in connections
// that differ, stays twice.
func TestMessagesOfTwoTenants(t *testing.T) {
	text := twice(client + wsRequest + "\n1|" + server + wsResponse + `"` + "\n2|" + server + `"HTTP/1.1 101 Other\r\nUpgrade: websocket\r\n\r\n"` + "\n" + client + "hex=818100000000" + "61")
	pairs, messages, _ := messagesOf(t, pcaptest.Build(t, text), full)
	if len(pairs) != 2 || len(messages) != 2 || messages[0].PairID == messages[1].PairID {
		t.Errorf("%d pairs with\n%s", len(pairs), messageLines(pairs, messages))
	}
}
