package export

import (
	"encoding/hex"
	"net/netip"

	"recap/pipeline/exchange"
)

// This file is the one list of fields. Parquet and JSONL are made from it, --where
// looks names up in it, and docs/record.md is checked against it.

func idField(name, doc string, use Use, null bool, f func(c *Cursor) *exchange.ID) Field {
	return Field{Name: name, Type: String, Null: null, Use: use, Doc: doc, Text: func(c *Cursor, dst []byte) ([]byte, bool) {
		id := f(c)
		return hex.AppendEncode(dst, id[:]), !null || *id != exchange.ID{}
	}}
}

func addr(name, doc string, use Use, f func(c *Cursor) netip.Addr) Field {
	return Field{Name: name, Type: String, Null: true, Use: use, Doc: doc, Text: func(c *Cursor, dst []byte) ([]byte, bool) {
		if a := f(c); a.IsValid() {
			return a.AppendTo(dst), true
		}
		return dst, false
	}}
}

func headerList(name, doc string, f func(c *Cursor) []exchange.Header) Field {
	l := listOf(name, doc,
		func(c *Cursor) int { return len(f(c)) },
		func(c *Cursor, i int) { c.index = i },
		row(
			text("name", "as sent", Dict, func(c *Cursor) string { return f(c)[c.index].Name }),
			text("value", "as sent", Dict, func(c *Cursor) string { return f(c)[c.index].Value }),
		))
	l.Headers = f
	return l
}

func endpoint(name, doc string, f func(c *Cursor) *exchange.Endpoint) Field {
	return always(name, doc, func(c *Cursor) { c.end = f(c) },
		addr("ip", "address", Dict|Stats|Bloom, func(c *Cursor) netip.Addr { return c.end.IP }),
		int32s("port", "TCP port", Dict|Stats, func(c *Cursor) int32 { return int32(c.end.Port) }),
		Field{Name: "mac", Type: String, Null: true, Use: Dict, Doc: "link address; null where the link has none", Text: func(c *Cursor, dst []byte) ([]byte, bool) {
			if !c.end.HasMAC {
				return dst, false
			}
			for i, b := range c.end.MAC {
				if i > 0 {
					dst = append(dst, ':')
				}
				dst = hex.AppendEncode(dst, []byte{b})
			}
			return dst, true
		}},
	)
}

func tunnelList(name, doc string, of func(c *Cursor) []exchange.Tunnel) Field {
	tunnel := func(c *Cursor) *exchange.Tunnel { return &c.tunnels[c.index] }
	outer := func(name, doc string, f func(t *exchange.Tunnel) netip.Addr) Field {
		return addr(name, doc, Dict, func(c *Cursor) netip.Addr { return f(tunnel(c)) })
	}
	return listOf(name, doc,
		func(c *Cursor) int { c.tunnels = of(c); return len(c.tunnels) },
		func(c *Cursor, i int) { c.index = i },
		row(
			text("type", "vxlan, geneve, gre, erspan, mpls, pppoe, ipip, 6in4, gtpu, …", Dict, func(c *Cursor) string { return tunnel(c).Type }),
			optInt("id", "VNI, key, session, label or TEID; null where the tunnel has none", Dict, -1, func(c *Cursor) int64 { return tunnel(c).ID }),
			outer("src", "outer source address; null below IP", func(t *exchange.Tunnel) netip.Addr { return t.Src }),
			outer("dst", "outer destination address; null below IP", func(t *exchange.Tunnel) netip.Addr { return t.Dst }),
			listOf("options", "of the tunnel's header on the connection's first packet, as name=hex (geneve)",
				func(c *Cursor) int { return len(tunnel(c).Options) },
				func(c *Cursor, i int) { c.option = i },
				text("", "", 0, func(c *Cursor) string { return tunnel(c).Options[c.option].String() })),
		))
}

func vlanList(of func(c *Cursor) []int32) Field {
	return listOf("vlans", "VLAN ids, outermost first",
		func(c *Cursor) int { return len(of(c)) },
		func(c *Cursor, i int) { c.index = i },
		int32s("", "", Dict, func(c *Cursor) int32 { return of(c)[c.index] }))
}

func vantageList(of func(c *Cursor) []exchange.Vantage) Field {
	return listOf("vantages", "further copies of the conversation seen elsewhere in the capture",
		func(c *Cursor) int { return len(of(c)) },
		func(c *Cursor, i int) { c.vantage = &of(c)[i] },
		row(
			tunnelList("tunnels", "around that copy, outermost first", func(c *Cursor) []exchange.Tunnel { return c.vantage.Tunnels }),
			vlanList(func(c *Cursor) []int32 { return c.vantage.VLANs }),
			optText("interface", "where it was captured", Dict, func(c *Cursor) string { return c.vantage.Interface }),
			int64s("delay_ns", "of that copy after the one that was read, nanoseconds", 0, func(c *Cursor) int64 { return c.vantage.DelayNS }),
		))
}

func tlsGroup() Field {
	return group("tls", "the connection's TLS layer; null for clear text", func(c *Cursor) bool { return c.conn.TLS != nil },
		optText("version", "", Dict, func(c *Cursor) string { return c.conn.TLS.Version }),
		optText("cipher", "", Dict, func(c *Cursor) string { return c.conn.TLS.Cipher }),
		optText("sni", "server name the client asked for", Dict|Stats, func(c *Cursor) string { return c.conn.TLS.SNI }),
		optText("alpn", "protocol agreed on", Dict, func(c *Cursor) string { return c.conn.TLS.ALPN }),
		optText("ja3", "fingerprint of the client", Dict, func(c *Cursor) string { return c.conn.TLS.JA3 }),
		optText("ja4", "fingerprint of the client", Dict, func(c *Cursor) string { return c.conn.TLS.JA4 }),
		flag("decrypted", "whether the key was there", func(c *Cursor) bool { return c.conn.TLS.Decrypted }),
	)
}

// flowTLSGroup is the tls group of flows: what the handshake tells, also where no
// key was there.
func flowTLSGroup() Field {
	f := tlsGroup()
	f.Fields = append(f.Fields,
		optText("alpn_offered", "protocols that the client offered, joined by commas", Dict, func(c *Cursor) string { return c.conn.TLS.Offered }),
		optText("cert_subject", "of the server's certificate, where it could be read", Dict, func(c *Cursor) string { return c.conn.TLS.CertSubject }),
		optText("cert_issuer", "", Dict, func(c *Cursor) string { return c.conn.TLS.CertIssuer }),
		optText("cert_sha256", "of the certificate as sent, hex", Dict|Stats, func(c *Cursor) string { return c.conn.TLS.CertSHA256 }),
	)
	return f
}

func anomalyList(set func(c *Cursor) *exchange.Anomalies) Field {
	return listOf("anomalies", "named oddities, sorted",
		func(c *Cursor) int {
			if s := set(c); !s.Empty() {
				c.names = s.Append(c.names[:0])
			} else {
				c.names = c.names[:0]
			}
			return len(c.names)
		},
		func(c *Cursor, i int) { c.index = i },
		text("", "", Dict, func(c *Cursor) string { return c.names[c.index] }))
}

func bodyField(name, doc string, f func(m *exchange.Message) int64) Field {
	return int64s(name, doc, 0, func(c *Cursor) int64 { return f(c.msg) })
}

func messageFields() []Field {
	fields := times("time", "capture time of the first byte", Stats, func(c *Cursor) int64 { return c.msg.TimeNS })
	fields = append(fields, times("end_time", "capture time of the last byte", 0, func(c *Cursor) int64 { return c.msg.EndTimeNS })...)
	return append(fields,
		text("version", "as sent, or the protocol's name", Dict, func(c *Cursor) string { return c.msg.Version }),
		headerList("headers", "fields in wire order and case, with duplicates", func(c *Cursor) []exchange.Header { return c.msg.Headers }),
		headerList("trailers", "fields after the body", func(c *Cursor) []exchange.Header { return c.msg.Trailers }),
		Field{Name: "head", Type: Bytes, Null: true, Use: Bulky, Doc: "start line and header block as on the wire; JSON lines: base64, and null unless a string of the message had to be escaped",
			Raw: func(c *Cursor) ([]byte, bool) { return c.msg.Head, len(c.msg.Head) > 0 }},
		optText("content_type", "value of Content-Type", Dict|Stats, func(c *Cursor) string { return c.msg.ContentType }),
		optText("content_encoding", "value of Content-Encoding", Dict, func(c *Cursor) string { return c.msg.ContentEncoding }),
		Field{Name: "body", Type: Bytes, Null: true, Use: Bulky, Doc: "stored part of the body after de-chunking and content decoding; null where the message has none",
			Raw: func(c *Cursor) ([]byte, bool) { return c.msg.Body, c.msg.HasBody }},
		Field{Name: "body_encoding", Type: String, Null: true, Use: InJSON, Doc: "JSON lines only: how body is written, utf8 or base64; null where body is",
			Str: func(c *Cursor) (string, bool) { return "", false }},
		bodyField("body_size", "bytes of the whole decoded body", func(m *exchange.Message) int64 { return m.BodySize }),
		bodyField("body_wire_size", "bytes as sent, without chunk framing, before content decoding", func(m *exchange.Message) int64 { return m.BodyWireSize }),
		Field{Name: "body_sha256", Type: String, Null: true, Doc: "hex SHA-256 of the whole decoded body, stored or not; null where bytes of it are missing",
			Text: func(c *Cursor, dst []byte) ([]byte, bool) {
				return hex.AppendEncode(dst, c.msg.BodySHA256[:]), c.msg.HasBody && c.msg.Hashed
			}},
		bodyField("body_stored", "bytes kept in body", func(m *exchange.Message) int64 { return int64(len(m.Body)) }),
		listOf("gaps", "holes in the body",
			func(c *Cursor) int { return len(c.msg.Gaps) },
			func(c *Cursor, i int) { c.index = i },
			row(
				int64s("offset", "in the decoded body where it was not content-coded, else in the body as sent", 0, func(c *Cursor) int64 { return c.msg.Gaps[c.index].Offset }),
				optInt("length", "bytes; null where unknown", 0, -1, func(c *Cursor) int64 { return c.msg.Gaps[c.index].Length }),
				text("reason", "lost, snaplen, mirror_truncated, overlap_conflict, limit", Dict, func(c *Cursor) string { return c.msg.Gaps[c.index].Reason }),
			)),
		packetList(),
		altGroup(),
	)
}

// callGroup tells what the exchange calls.
func callGroup() Field {
	call := func(c *Cursor) *exchange.Call { return c.pair.Call }
	return group("call", "what a graphql, soap or grpc exchange calls; null for other kinds", func(c *Cursor) bool { return c.pair.Call != nil },
		optText("operation", "graphql: operation names, joined by commas; soap: the action; grpc: service/method", Dict|Stats, func(c *Cursor) string { return call(c).Operation }),
		optText("type", "graphql: query, mutation, subscription", Dict, func(c *Cursor) string { return call(c).Type }),
		optText("version", "soap: 1.1, 1.2", Dict, func(c *Cursor) string { return call(c).Version }),
		int32s("batch", "how many operations; 0 where they cannot be told", 0, func(c *Cursor) int32 { return call(c).Batch }),
	)
}

// altGroup is the other reading of a message whose framing is ambiguous.
func altGroup() Field {
	alt := func(c *Cursor) *exchange.AltFraming { return c.msg.Alt }
	return group("alt_framing", "another reading of where the body ends, where the head is ambiguous about it; null where it is not",
		func(c *Cursor) bool { return c.msg.Alt != nil },
		text("framing", "chunked, content_length, close (to the end of the connection), none", Dict, func(c *Cursor) string { return alt(c).Framing }),
		optInt("body_size", "bytes of the body in that reading, before content decoding; null where the capture does not tell", 0, -1, func(c *Cursor) int64 { return alt(c).BodySize }),
		Field{Name: "body_sha256", Type: String, Null: true, Doc: "hex SHA-256 of that body, before content decoding; null where bytes of it were not seen",
			Text: func(c *Cursor, dst []byte) ([]byte, bool) {
				return hex.AppendEncode(dst, alt(c).BodySHA256[:]), alt(c).Hashed
			}},
		Field{Name: "body", Type: Bytes, Null: true, Use: Bulky, Doc: "stored part of that body, before content decoding; null where none is stored",
			Raw: func(c *Cursor) ([]byte, bool) { return alt(c).Body, len(alt(c).Body) > 0 }},
		Field{Name: "body_encoding", Type: String, Null: true, Use: InJSON, Doc: "JSON lines only: how body is written, utf8 or base64; null where body is",
			Str: func(c *Cursor) (string, bool) { return "", false }},
		int64s("body_stored", "bytes kept in body", 0, func(c *Cursor) int64 { return int64(len(alt(c).Body)) }),
		optInt("next_offset", "where the following message would begin, bytes from the start of this direction; null where unknown", 0, -1, func(c *Cursor) int64 { return alt(c).Next }),
		listOf("start_lines", "of messages that only this reading finds, from next_offset on",
			func(c *Cursor) int { return len(alt(c).StartLines) },
			func(c *Cursor, i int) { c.index = i },
			text("", "", 0, func(c *Cursor) string { return alt(c).StartLines[c.index] })),
	)
}

func packetList() Field {
	l := listOf("packets", "numbers of the packets that carried it, rising, from 1",
		func(c *Cursor) int { return len(c.msg.Packets) },
		func(c *Cursor, i int) { c.index = i },
		int64s("", "", 0, func(c *Cursor) int64 { return c.msg.Packets[c.index] }))
	l.Ints = func(c *Cursor) []int64 { return c.msg.Packets }
	return l
}

func requestGroup() Field {
	req := func(c *Cursor) *exchange.Request { return &c.pair.Request }
	return group("request", "the client's message; null where the capture does not hold it",
		func(c *Cursor) bool { c.msg = &c.pair.Request.Message; return c.msg.Present },
		append([]Field{
			text("method", "as sent", Dict|Stats, func(c *Cursor) string { return req(c).Method }),
			text("target", "request target exactly as sent", Dict, func(c *Cursor) string { return req(c).Target }),
			optText("scheme", "derived", Dict, func(c *Cursor) string { return req(c).Scheme }),
			optText("host", "derived, from the target or the Host field", Dict|Stats|Bloom, func(c *Cursor) string { return req(c).Host }),
			optText("path", "derived", Dict|Stats|Bloom, func(c *Cursor) string { return req(c).Path }),
			optText("query", "derived, without the question mark", Dict, func(c *Cursor) string { return req(c).Query }),
			optText("url", "derived", Dict, func(c *Cursor) string { return req(c).URL }),
		}, messageFields()...)...)
}

func responseGroup() Field {
	return group("response", "the server's message; null where the capture does not hold it",
		func(c *Cursor) bool { c.msg = &c.pair.Response.Message; return c.msg.Present },
		append(append([]Field{
			int32s("status", "as sent; 0 where it is not a number", Dict|Stats|Bloom, func(c *Cursor) int32 { return c.pair.Response.Status }),
			text("reason", "as sent", Dict, func(c *Cursor) string { return c.pair.Response.Reason }),
		}, messageFields()...),
			listOf("interim", "1xx responses before it",
				func(c *Cursor) int { return len(c.pair.Response.Interim) },
				func(c *Cursor, i int) { c.interim = &c.pair.Response.Interim[i] },
				row(append(append([]Field{
					int32s("status", "", 0, func(c *Cursor) int32 { return c.interim.Status }),
				}, times("time", "capture time of the first byte", 0, func(c *Cursor) int64 { return c.interim.TimeNS })...),
					headerList("headers", "fields in wire order and case", func(c *Cursor) []exchange.Header { return c.interim.Headers }),
				)...)),
		)...)
}

func captureGroup(fields ...Field) Field {
	return always("capture", "where in the input it was found", func(*Cursor) {}, fields...)
}

// PairSchema returns the fields of a pair record, in order. The caller may change
// the slice it gets.
func PairSchema() []Field {
	return []Field{
		idField("id", "stable name of the pair in this capture, hex", Stats|Bloom, false, func(c *Cursor) *exchange.ID { return &c.pair.ID }),
		text("state", "complete, request_only, response_only, or partial: a gap, cut or parse failure inside a message", Dict|Stats, func(c *Cursor) string { return c.pair.State.String() }),
		anomalyList(func(c *Cursor) *exchange.Anomalies { return &c.pair.Anomalies }),
		text("protocol", "HTTP/0.9, HTTP/1.0, HTTP/1.1, HTTP/2, HTTP/3", Dict|Stats, func(c *Cursor) string { return c.pair.Protocol }),
		text("kind", "rest, graphql, soap, grpc, websocket, sse, other", Dict|Stats, func(c *Cursor) string { return c.pair.Kind }),
		callGroup(),
		idField("flow_id", "the connection, hex", Dict|Stats, false, func(c *Cursor) *exchange.ID { return &c.conn.ID }),
		int32s("ordinal", "the pair's place in its connection, from 0", 0, func(c *Cursor) int32 { return c.pair.Ordinal }),
		optText("community_id", "Community ID v1 of the innermost 5-tuple", Dict, func(c *Cursor) string { return c.conn.CommunityID }),
		endpoint("client", "innermost endpoint that sent the request", func(c *Cursor) *exchange.Endpoint { return &c.conn.Client }),
		endpoint("server", "innermost endpoint that answers", func(c *Cursor) *exchange.Endpoint { return &c.conn.Server }),
		tunnelList("tunnels", "encapsulation, outermost first", func(c *Cursor) []exchange.Tunnel { return c.conn.Tunnels }),
		vlanList(func(c *Cursor) []int32 { return c.conn.VLANs }),
		vantageList(func(c *Cursor) []exchange.Vantage { return c.pair.Vantages }),
		tlsGroup(),
		requestGroup(),
		responseGroup(),
		optInt("latency_ns", "end of request to first byte of response, nanoseconds", 0, exchange.NoTime, func(c *Cursor) int64 { return c.pair.LatencyNS }),
		optInt("duration_ns", "first byte to last byte, nanoseconds", 0, exchange.NoTime, func(c *Cursor) int64 { return c.pair.DurationNS }),
		captureGroup(
			int64s("first_packet", "number from 1", Stats, func(c *Cursor) int64 { return c.pair.FirstPacket }),
			int64s("last_packet", "number from 1", Stats, func(c *Cursor) int64 { return c.pair.LastPacket }),
			listOf("files", "inputs it was read from",
				func(c *Cursor) int { return len(c.pair.Files) },
				func(c *Cursor, i int) { c.index = i },
				text("", "", Dict, func(c *Cursor) string { return c.pair.Files[c.index] })),
			optText("interface", "name or number of the capturing interface", Dict, func(c *Cursor) string { return c.conn.Interface }),
		),
	}
}

// FlowSchema returns the fields of a flow record, in order. The caller may change
// the slice it gets.
func FlowSchema() []Field {
	side := func(name, doc string, d exchange.Dir) Field {
		count := func(name, doc string, f func(s *exchange.FlowSide) int64) Field {
			return int64s(name, doc, 0, func(c *Cursor) int64 { return f(c.side) })
		}
		return always(name, doc, func(c *Cursor) { c.side = &c.flow.Sides[d] },
			count("packets", "", func(s *exchange.FlowSide) int64 { return s.Packets }),
			count("bytes", "payload bytes seen, duplicates included", func(s *exchange.FlowSide) int64 { return s.Bytes }),
			count("stream_bytes", "payload bytes delivered in order", func(s *exchange.FlowSide) int64 { return s.StreamBytes }),
			count("gaps", "holes in the stream", func(s *exchange.FlowSide) int64 { return s.Gaps }),
			count("gap_bytes", "bytes that the capture does not hold", func(s *exchange.FlowSide) int64 { return s.GapBytes }),
			count("retransmissions", "packets", func(s *exchange.FlowSide) int64 { return s.Retransmissions }),
			count("retransmit_bytes", "", func(s *exchange.FlowSide) int64 { return s.RetransmitBytes }),
			count("out_of_order", "packets", func(s *exchange.FlowSide) int64 { return s.OutOfOrder }),
			count("conflict_bytes", "bytes of which two copies differ", func(s *exchange.FlowSide) int64 { return s.ConflictBytes }),
			count("discarded_bytes", "bytes left out by a limit", func(s *exchange.FlowSide) int64 { return s.DiscardedBytes }),
			count("truncated_packets", "packets of which the capture holds a part", func(s *exchange.FlowSide) int64 { return s.TruncatedPackets }),
			listOf("conflicts", "places of which the capture holds two different copies, at most 16",
				func(c *Cursor) int { return len(c.side.Conflicts) },
				func(c *Cursor, i int) { c.conflict = &c.side.Conflicts[i] },
				row(
					int64s("offset", "of the first byte that differs, in the stream", 0, func(c *Cursor) int64 { return c.conflict.Offset }),
					int64s("packet", "that carried the second copy", 0, func(c *Cursor) int64 { return c.conflict.Packet }),
					Field{Name: "first", Type: Bytes, Use: Bulky, Doc: "the copy that counted, at most 1,024 bytes of it",
						Raw: func(c *Cursor) ([]byte, bool) { return c.conflict.First, true }},
					Field{Name: "second", Type: Bytes, Use: Bulky, Doc: "the copy that came second, as many bytes",
						Raw: func(c *Cursor) ([]byte, bool) { return c.conflict.Second, true }},
				)),
		)
	}
	fields := []Field{
		idField("flow_id", "stable name of the connection in this capture, hex", Stats|Bloom, false, func(c *Cursor) *exchange.ID { return &c.conn.ID }),
		idField("continues", "the connection that this one continues after an eviction", 0, true, func(c *Cursor) *exchange.ID { return &c.flow.Continues }),
		optText("community_id", "Community ID v1 of the innermost 5-tuple", 0, func(c *Cursor) string { return c.conn.CommunityID }),
		endpoint("client", "innermost endpoint that opened the connection", func(c *Cursor) *exchange.Endpoint { return &c.conn.Client }),
		endpoint("server", "the other one", func(c *Cursor) *exchange.Endpoint { return &c.conn.Server }),
		tunnelList("tunnels", "encapsulation, outermost first", func(c *Cursor) []exchange.Tunnel { return c.conn.Tunnels }),
		vlanList(func(c *Cursor) []int32 { return c.conn.VLANs }),
		vantageList(func(c *Cursor) []exchange.Vantage { return c.flow.Vantages }),
	}
	fields = append(fields, times("time", "capture time of the first packet", Stats, func(c *Cursor) int64 { return c.flow.FirstNS })...)
	fields = append(fields, times("end_time", "capture time of the last packet", 0, func(c *Cursor) int64 { return c.flow.LastNS })...)
	return append(fields,
		text("protocol", "what the connection carries: http/1, http/2, tls, quic, ssh, …, unknown", Dict|Stats, func(c *Cursor) string { return c.flow.Protocol }),
		text("close_reason", "fin, rst, end_of_capture, reused, idle, evicted, …", Dict|Stats, func(c *Cursor) string { return c.flow.CloseReason }),
		flag("handshake", "whether the capture holds the SYN; of QUIC, Initial packets of both sides", func(c *Cursor) bool { return c.flow.Handshake }),
		anomalyList(func(c *Cursor) *exchange.Anomalies { return &c.flow.Anomalies }),
		int64s("pairs", "rows of this connection in pairs", Stats, func(c *Cursor) int64 { return c.flow.Pairs }),
		optText("no_pairs", "why there are none; null where there are", Dict|Stats, func(c *Cursor) string { return c.flow.NoPairs }),
		flowTLSGroup(),
		side("to_server", "what the client sent", exchange.ToServer),
		side("to_client", "what the server sent", exchange.ToClient),
		captureGroup(
			int64s("first_packet", "number from 1", Stats, func(c *Cursor) int64 { return c.flow.FirstPacket }),
			int64s("last_packet", "number from 1", Stats, func(c *Cursor) int64 { return c.flow.LastPacket }),
			optText("interface", "name or number of the capturing interface", Dict, func(c *Cursor) string { return c.conn.Interface }),
		),
	)
}

// MessageSchema returns the fields of a message of a streaming exchange, in order.
// The caller may change the slice it gets.
func MessageSchema() []Field {
	msg := func(c *Cursor) *exchange.StreamMessage { return c.stream }
	fields := []Field{
		idField("pair_id", "the pair that opened the stream, hex", Dict|Stats|Bloom, false, func(c *Cursor) *exchange.ID { return &msg(c).PairID }),
		idField("flow_id", "the connection, hex", Dict|Stats, false, func(c *Cursor) *exchange.ID { return &c.conn.ID }),
		int64s("ordinal", "place among the pair's messages, from 0", 0, func(c *Cursor) int64 { return msg(c).Ordinal }),
		text("direction", "to_server, to_client", Dict|Stats, func(c *Cursor) string {
			if msg(c).Dir == exchange.ToServer {
				return "to_server"
			}
			return "to_client"
		}),
		text("kind", "websocket, sse, grpc", Dict|Stats, func(c *Cursor) string { return msg(c).Kind }),
		text("type", "opcode (text, binary, close, ping, pong), event name, or message", Dict|Stats, func(c *Cursor) string { return msg(c).Type }),
		optText("event_id", "id that was set last when a server-sent event came", 0, func(c *Cursor) string { return msg(c).ID }),
		{Name: "retry_ms", Type: Int64, Null: true, Doc: "reconnection time that a stream of events has set since the event before, milliseconds; null for none", Int: func(c *Cursor) (int64, bool) {
			return msg(c).RetryMS, msg(c).HasRetry
		}},
		{Name: "close_code", Type: Int32, Null: true, Doc: "WebSocket close status; null for none", Int: func(c *Cursor) (int64, bool) {
			return int64(msg(c).CloseCode), msg(c).CloseCode != 0
		}},
	}
	fields = append(fields, times("time", "capture time of the last byte", Stats, func(c *Cursor) int64 { return msg(c).TimeNS })...)
	return append(fields,
		int64s("packet", "number of the packet that carried the last byte, from 1", Stats, func(c *Cursor) int64 { return msg(c).Packet }),
		Field{Name: "payload", Type: Bytes, Use: Bulky, Doc: "stored part of the message, decompressed; of a WebSocket close frame the reason, of a server-sent event the data",
			Raw: func(c *Cursor) ([]byte, bool) { return msg(c).Payload, true }},
		int64s("size", "bytes of the whole message, decompressed", 0, func(c *Cursor) int64 { return msg(c).Size }),
		int64s("wire_size", "bytes as sent, without frame headers; of a server-sent event those of all its lines", 0, func(c *Cursor) int64 { return msg(c).WireSize }),
		Field{Name: "sha256", Type: String, Null: true, Doc: "hex SHA-256 of the whole message, stored or not; null where it was not taken",
			Text: func(c *Cursor, dst []byte) ([]byte, bool) {
				return hex.AppendEncode(dst, msg(c).SHA256[:]), msg(c).Hashed
			}},
		int64s("stored", "bytes kept in payload", 0, func(c *Cursor) int64 { return int64(len(msg(c).Payload)) }),
		flag("compressed", "whether it was compressed on the wire", func(c *Cursor) bool { return msg(c).Compressed }),
		flag("partial", "whether bytes of it are missing", func(c *Cursor) bool { return msg(c).Partial }),
		anomalyList(func(c *Cursor) *exchange.Anomalies { return &msg(c).Anomalies }),
	)
}
