package sinktest

import (
	"crypto/sha256"
	"math"
	"net/netip"
	"strings"

	"recap/pipeline/exchange"
)

// Tricky returns pairs that have gone wrong in other tools' files: every byte in
// bodies and heads, absent halves, nested lists of every length, extreme integers
// and times, strings full of quotes, escapes and terminal controls.
func Tricky() []*exchange.Pair {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	hostile := "\x00\x01\x1b[31m\x1b]52;c;AAAA\x07\r\n\t\"\\/\u2028\u2029\u202e\x7f\u0085 é 漢字 🦊 \\x80 </script> ' = + - @"
	var all exchange.Anomalies
	for _, a := range exchange.AllAnomalies() {
		all.Add(a)
	}
	v6, v4 := netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("192.0.2.1")
	rich := &exchange.Conn{
		ID: exchange.ID{1, 2, 3, 0xff}, CommunityID: "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
		Client: exchange.Endpoint{IP: v6, Port: 65535, MAC: [6]byte{}, HasMAC: true},
		Server: exchange.Endpoint{IP: v4, Port: 0},
		Tunnels: []exchange.Tunnel{
			{Type: "vxlan", ID: 16777215, Src: v4, Dst: v6}, {Type: "mpls", ID: 0}, {Type: "ipip", ID: -1, Src: v4, Dst: v4},
		},
		VLANs:     []int32{4094, 1},
		TLS:       &exchange.TLS{Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", SNI: hostile, ALPN: "h2", JA3: "d", JA4: "e", Decrypted: true},
		Interface: hostile,
	}
	bare := &exchange.Conn{TLS: &exchange.TLS{}}
	message := func(b []byte) exchange.Message {
		return exchange.Message{
			Present: true, TimeNS: 1_700_000_000_123_456_789, EndTimeNS: 1_700_000_000_123_456_999, Version: "HTTP/1.1",
			Headers: []exchange.Header{{Name: "Host", Value: "a"}, {Name: "host", Value: hostile}, {Name: "", Value: ""}},
			Head:    every, HeadEscaped: true, ContentType: "text/plain; charset=\"x\"", ContentEncoding: "gzip",
			Body: b, HasBody: true, BodySize: int64(len(b)), BodyWireSize: 3, BodySHA256: sha256.Sum256(b), Hashed: true,
			Packets: []int64{1, 2, math.MaxInt64},
		}
	}
	full := &exchange.Pair{
		ID: exchange.ID{0xde, 0xad}, State: exchange.Partial, Anomalies: all, Protocol: "HTTP/1.1", Kind: "rest", Conn: rich,
		Ordinal: math.MaxInt32, LatencyNS: -1, DurationNS: math.MaxInt64, FirstPacket: 1, LastPacket: math.MaxInt64,
		Files: []string{"a.pcap", hostile},
		Vantages: []exchange.Vantage{
			{}, {Tunnels: []exchange.Tunnel{{Type: "gre", ID: math.MaxInt64}, {Type: "pppoe", ID: 7}}, VLANs: []int32{1, 2}, Interface: "tap0", DelayNS: -5},
		},
	}
	full.Request = exchange.Request{Message: message(every), Method: "POST", Target: hostile, Scheme: "https", Host: hostile, Path: "/" + hostile, Query: "q=" + hostile, URL: hostile}
	full.Request.Trailers = []exchange.Header{{Name: "T", Value: hostile}}
	full.Request.Gaps = []exchange.Gap{{Offset: 0, Length: -1, Reason: exchange.GapLost}, {Offset: math.MaxInt64, Length: 0, Reason: exchange.GapLimit}}
	full.Call = &exchange.Call{Operation: "Ünlock", Type: "mutation", Version: "1.2", Batch: 3}
	full.Request.Alt = &exchange.AltFraming{Framing: exchange.FramingLength, BodySize: 300, BodySHA256: sha256.Sum256(every), Hashed: true, Body: every,
		Next: math.MaxInt64, StartLines: []string{hostile, "", "GET / HTTP/1.1"}}
	full.Response = exchange.Response{Message: message([]byte(hostile)), Status: 599, Reason: hostile}
	full.Response.Alt = &exchange.AltFraming{Framing: exchange.FramingChunked, BodySize: 2, Body: []byte("é"), Next: -1}
	full.Response.TimeNS, full.Response.EndTimeNS = math.MaxInt64, math.MinInt64+1
	full.Response.Interim = []exchange.Interim{
		{Status: 100, TimeNS: exchange.NoTime},
		{Status: 103, TimeNS: -1, Headers: []exchange.Header{{Name: "Link", Value: "</a>"}, {Name: "Link", Value: "</b>"}}},
	}

	request := &exchange.Pair{State: exchange.RequestOnly, Conn: bare, LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime}
	request.Request = exchange.Request{Message: exchange.Message{Present: true, TimeNS: exchange.NoTime, EndTimeNS: exchange.NoTime}}
	response := &exchange.Pair{State: exchange.ResponseOnly, Conn: &exchange.Conn{}, Anomalies: exchange.Anomalies{}}
	response.Response = exchange.Response{Message: exchange.Message{Present: true, HasBody: true, BodySHA256: sha256.Sum256(nil), Hashed: true}, Status: -1}
	response.Response.TimeNS = -62_135_596_800 // a minute before 1970, and odd
	nothing := &exchange.Pair{Conn: bare}

	large := &exchange.Pair{Conn: rich, Protocol: "HTTP/2", Kind: "grpc"}
	large.Request = exchange.Request{Message: message([]byte(strings.Repeat(`{"a":"ü\u0000"}`, 10_000))), Method: strings.Repeat("M", 70_000)}
	large.Request.Host = strings.Repeat("host.", 40)
	for range 600 {
		large.Request.Headers = append(large.Request.Headers, exchange.Header{Name: "X", Value: hostile})
	}
	large.Response = exchange.Response{Message: message(noise(600 << 10)), Status: 200}
	return []*exchange.Pair{full, request, response, nothing, large, full, nothing, request}
}

// noise returns n bytes that do not compress, always the same.
func noise(n int) []byte {
	b := make([]byte, 0, n+32)
	for s := sha256.Sum256(nil); len(b) < n; s = sha256.Sum256(s[:]) {
		b = append(b, s[:]...)
	}
	return b[:n]
}

// TrickyFlows returns connections in the spirit of Tricky.
func TrickyFlows() []*exchange.Flow {
	rich := Tricky()[0]
	f := &exchange.Flow{
		Conn: rich.Conn, Protocol: "http/1", CloseReason: "fin", Continues: exchange.ID{9}, FirstNS: 1, LastNS: -1,
		FirstPacket: 1, LastPacket: 2, Handshake: true, Anomalies: rich.Anomalies, Pairs: 3, Vantages: rich.Vantages,
		Sides: [2]exchange.FlowSide{
			{Packets: 1, Bytes: 2, StreamBytes: 3, GapBytes: 4, Gaps: 5, Retransmissions: 6, RetransmitBytes: 7, OutOfOrder: 8, ConflictBytes: 9, DiscardedBytes: 10, TruncatedPackets: 11},
			{Packets: math.MaxInt64},
		},
	}
	g := &exchange.Flow{Conn: &exchange.Conn{}, Protocol: "ssh", NoPairs: "not HTTP", CloseReason: "end_of_capture", FirstNS: exchange.NoTime, LastNS: exchange.NoTime}
	return []*exchange.Flow{f, g, f}
}

// TrickyMessages returns messages of streams in the spirit of Tricky.
func TrickyMessages() []*exchange.StreamMessage {
	rich := Tricky()[0]
	m := &exchange.StreamMessage{
		PairID: rich.ID, Conn: rich.Conn, Ordinal: math.MaxInt64, Dir: exchange.ToClient, Kind: "websocket", Type: "close", ID: rich.Request.Host,
		CloseCode: 1006, TimeNS: 1, Packet: 2, Payload: rich.Request.Body, Size: 3, WireSize: 4, SHA256: rich.Request.BodySHA256, Hashed: true,
		Compressed: true, Partial: true, Anomalies: rich.Anomalies,
	}
	return []*exchange.StreamMessage{m, {Conn: &exchange.Conn{}, TimeNS: exchange.NoTime, Kind: "sse"}, m}
}
