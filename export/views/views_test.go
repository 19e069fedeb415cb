package views_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"recap/export"
	"recap/export/sinktest"
	"recap/export/views"
	"recap/pipeline/exchange"
)

type form func(io.Writer, export.Options) export.Sink

// forms are all views.
func forms() map[string]form {
	return map[string]form{"zeek": views.NewZeek, "eve": views.NewEVE, "ecs": views.NewECS, "ocsf": views.NewOCSF}
}

func TestSinks(t *testing.T) {
	for name, f := range forms() {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Case{New: f, Check: checkLines})
		})
	}
}

func checkLines(t *testing.T, file []byte) int {
	if len(file) == 0 {
		return 0
	}
	lines := bytes.Split(bytes.TrimSuffix(file, []byte("\n")), []byte("\n"))
	for i, l := range lines {
		if bytes.ContainsAny(l, "\x00\x1b\r") {
			t.Errorf("line %d holds a bare control character", i+1)
		}
		if err := sinktest.Strict(l); err != nil {
			t.Errorf("line %d: %v\n%.300s", i+1, err, l)
		}
	}
	return len(lines)
}

// pair is one that every field of a view can be had from.
func pair() *exchange.Pair {
	addr := netip.MustParseAddr
	p := &exchange.Pair{
		ID: exchange.ID{0xde, 0xad}, Protocol: "HTTP/1.1", Kind: "rest", Ordinal: 2, LatencyNS: 81_000_000, DurationNS: 90_000_000,
		FirstPacket: 10, LastPacket: 12, Files: []string{"a.pcap"},
		Conn: &exchange.Conn{
			ID: exchange.ID{0xff, 0, 0, 0, 0, 0, 0x20, 1, 9}, CommunityID: "1:x=",
			Client:  exchange.Endpoint{IP: addr("10.9.0.1"), Port: 21001, HasMAC: true, MAC: [6]byte{2, 0, 0, 9, 0, 0xa1}},
			Server:  exchange.Endpoint{IP: addr("10.9.0.80"), Port: 8080},
			Tunnels: []exchange.Tunnel{{Type: "mpls", ID: 3}, {Type: "vxlan", ID: 42, Src: addr("172.31.0.1"), Dst: addr("172.31.0.2")}},
			VLANs:   []int32{7, 8}, Interface: "eth1",
			TLS: &exchange.TLS{Version: "TLS 1.3", Cipher: "C", SNI: "s", ALPN: "h2", JA3: "0a", JA4: "t13d", Decrypted: true},
		},
	}
	p.Anomalies.Add(exchange.AnomalyEscapedBytes)
	q := &p.Request
	q.Message = exchange.Message{
		Present: true, TimeNS: 1_700_000_000_123_456_789, EndTimeNS: 1_700_000_000_133_000_000, Version: "HTTP/1.1",
		Headers: []exchange.Header{
			{Name: "hOsT", Value: "shop.example:8080"}, {Name: "User-Agent", Value: "curl \"x\""}, {Name: "Referer", Value: "http://r/"}, {Name: "Origin", Value: "http://o"},
			{Name: "Authorization", Value: "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:canary"))},
			{Name: "X-Forwarded-For", Value: "203.0.113.9, unknown, 2001:db8::1"}, {Name: "Via", Value: "1.1 p"},
		},
		ContentType: "text/plain; charset=utf-8", HasBody: true, Body: []byte("SECRETBODY"), BodySize: 10, BodyWireSize: 7, Packets: []int64{10},
	}
	q.Method, q.Target, q.Scheme, q.Host, q.Path, q.Query, q.URL = "PATCH", "/a%20b?x=1", "https", "shop.example:8080", "/a%20b", "x=1", "https://shop.example:8080/a%20b?x=1"
	s := &p.Response
	s.Message = exchange.Message{
		Present: true, TimeNS: 1_700_000_000_214_000_000, EndTimeNS: 1_700_000_000_214_999_999, Version: "HTTP/1.0",
		Headers: []exchange.Header{{Name: "LOCATION", Value: "/there"}}, ContentType: "image/png", HasBody: true, Body: []byte("x"), BodySize: 2000, BodyWireSize: 1000,
		Gaps: []exchange.Gap{{Offset: 1, Length: -1, Reason: exchange.GapLost}}, Packets: []int64{12},
	}
	s.Status, s.Reason = 302, "Found"
	s.Alt = &exchange.AltFraming{Framing: exchange.FramingClose, Body: []byte("SECRETBODY"), BodySize: 10, Next: -1}
	s.Interim = []exchange.Interim{{Status: 103, TimeNS: 5}}
	return p
}

func line(t *testing.T, f form, p *exchange.Pair) map[string]any {
	t.Helper()
	var buf bytes.Buffer
	s := f(&buf, export.Options{})
	if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return decode(t, buf.String())
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// TestFields has every field of every view looked at.
func TestFields(t *testing.T) {
	for name, want := range map[string]string{
		"zeek": `{"ts":1700000000.123456,"uid":"ff0000000000200109000000","id.orig_h":"10.9.0.1","id.orig_p":21001,"id.resp_h":"10.9.0.80","id.resp_p":8080,
			"trans_depth":3,"method":"PATCH","host":"shop.example:8080","uri":"/a%20b?x=1","referrer":"http://r/","version":"1.0","user_agent":"curl \"x\"","origin":"http://o",
			"request_body_len":10,"response_body_len":2000,"status_code":302,"status_msg":"Found","info_code":103,"tags":[],"username":"ada",
			"proxied":["X-FORWARDED-FOR -> 203.0.113.9, unknown, 2001:db8::1","VIA -> 1.1 p"],"orig_mime_types":["text/plain"],"resp_mime_types":["image/png"]}`,
		"eve": `{"timestamp":"2023-11-14T22:13:20.123456+0000","flow_id":2243003720663041,"pcap_cnt":12,"event_type":"http","vlan":[7,8],"src_ip":"10.9.0.1","src_port":21001,
			"dest_ip":"10.9.0.80","dest_port":8080,"proto":"TCP","ether":{"src_mac":"02:00:00:09:00:a1"},"community_id":"1:x=","pcap_filename":"a.pcap","tx_id":2,
			"tunnel":{"src_ip":"172.31.0.1","dest_ip":"172.31.0.2","proto":"UDP","depth":2},
			"http":{"hostname":"shop.example","http_port":8080,"url":"/a%20b?x=1","http_user_agent":"curl \"x\"","xff":"203.0.113.9, unknown, 2001:db8::1","http_content_type":"image/png",
			"http_refer":"http://r/","http_method":"PATCH","protocol":"HTTP/1.1","status":302,"redirect":"/there","length":1000,
			"request_headers":[{"name":"hOsT","value":"shop.example:8080"},{"name":"User-Agent","value":"curl \"x\""},{"name":"Referer","value":"http://r/"},{"name":"Origin","value":"http://o"},
			{"name":"Authorization","value":"Basic YWRhOmNhbmFyeQ=="},{"name":"X-Forwarded-For","value":"203.0.113.9, unknown, 2001:db8::1"},{"name":"Via","value":"1.1 p"}],
			"response_headers":[{"name":"LOCATION","value":"/there"}]}}`,
		"ecs": `{"@timestamp":"2023-11-14T22:13:20.123456789Z","ecs":{"version":"8.17.0"},
			"event":{"kind":"event","category":["network"],"type":["connection","protocol"],"dataset":"recap.http","id":"dead00000000000000000000","outcome":"success",
			"start":"2023-11-14T22:13:20.123456789Z","end":"2023-11-14T22:13:20.214999999Z","duration":90000000},
			"source":{"ip":"10.9.0.1","port":21001,"mac":"02-00-00-09-00-A1"},"destination":{"ip":"10.9.0.80","port":8080},
			"network":{"transport":"tcp","type":"ipv4","protocol":"http","community_id":"1:x=","vlan":{"id":"7"},"inner":{"vlan":{"id":"8"}}},
			"http":{"version":"1.1","request":{"method":"PATCH","referrer":"http://r/","body":{"bytes":7}},"response":{"status_code":302,"body":{"bytes":1000}}},
			"url":{"original":"/a%20b?x=1","full":"https://shop.example:8080/a%20b?x=1","scheme":"https","domain":"shop.example","port":8080,"path":"/a%20b","query":"x=1"},
			"user_agent":{"original":"curl \"x\""},
			"tls":{"version":"1.3","version_protocol":"tls","cipher":"C","next_protocol":"h2","client":{"server_name":"s","ja3":"0a"}},
			"observer":{"product":"recap","ingress":{"interface":{"name":"eth1"}}}}`,
		"ocsf": `{"activity_id":9,"category_uid":4,"class_uid":4002,"type_uid":400209,"severity_id":1,"time":1700000000123,"start_time":1700000000123,"end_time":1700000000214,
			"duration":90,"status_id":1,"status_code":"302","metadata":{"version":"1.7.0","product":{"name":"recap"},"uid":"dead00000000000000000000"},
			"src_endpoint":{"ip":"10.9.0.1","port":21001,"mac":"02:00:00:09:00:A1"},"dst_endpoint":{"ip":"10.9.0.80","port":8080},
			"connection_info":{"uid":"ff0000000000200109000000","community_uid":"1:x=","direction_id":0,"protocol_name":"tcp","protocol_num":6,"protocol_ver_id":4},
			"tls":{"version":"TLS 1.3","cipher":"C","sni":"s","ja3_hash":{"algorithm_id":1,"algorithm":"MD5","value":"0a"}},"ja4_fingerprint_list":[{"type_id":1,"type":"JA4","value":"t13d"}],
			"http_request":{"http_method":"PATCH","url":{"url_string":"https://shop.example:8080/a%20b?x=1","scheme":"https","hostname":"shop.example","port":8080,"path":"/a%20b","query_string":"x=1"},
			"version":"1.1","user_agent":"curl \"x\"","referrer":"http://r/","x_forwarded_for":["203.0.113.9","2001:db8::1"],
			"http_headers":[{"name":"hOsT","value":"shop.example:8080"},{"name":"User-Agent","value":"curl \"x\""},{"name":"Referer","value":"http://r/"},{"name":"Origin","value":"http://o"},
			{"name":"Authorization","value":"Basic YWRhOmNhbmFyeQ=="},{"name":"X-Forwarded-For","value":"203.0.113.9, unknown, 2001:db8::1"},{"name":"Via","value":"1.1 p"}],"body_length":7},
			"http_response":{"code":302,"message":"Found","content_type":"image/png","latency":81,"http_headers":[{"name":"LOCATION","value":"/there"}],"body_length":1000}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := line(t, forms()[name], pair())
			if own(got) == nil {
				t.Error("there is no recap object")
			}
			delete(got, "recap")
			delete(got, "unmapped")
			if diff := sinktest.Diff(decode(t, want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// own returns what a line holds beside the fields of its format.
func own(m map[string]any) map[string]any {
	if u, ok := m["unmapped"].(map[string]any); ok {
		m = u
	}
	r, _ := m["recap"].(map[string]any)
	return r
}

// TestNothingIsInvented: an empty pair leaves the fields out that it does not tell.
func TestNothingIsInvented(t *testing.T) {
	none := &exchange.Pair{LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime}
	for name, want := range map[string]string{
		"zeek": `{"uid":"000000000000000000000000","id.orig_p":0,"id.resp_p":0,"trans_depth":1,"tags":[]}`,
		"eve":  `{"flow_id":0,"pcap_cnt":0,"event_type":"http","src_port":0,"dest_port":0,"proto":"TCP","tx_id":0}`,
		"ecs": `{"ecs":{"version":"8.17.0"},"event":{"kind":"event","category":["network"],"type":["connection","protocol"],"dataset":"recap.http",
			"id":"000000000000000000000000","outcome":"unknown"},"source":{"port":0},"destination":{"port":0},"network":{"transport":"tcp","protocol":"http"},"observer":{"product":"recap"}}`,
		"ocsf": `{"activity_id":0,"category_uid":4,"class_uid":4002,"type_uid":400200,"severity_id":1,"status_id":0,
			"metadata":{"version":"1.7.0","product":{"name":"recap"},"uid":"000000000000000000000000"},
			"connection_info":{"uid":"000000000000000000000000","direction_id":0,"protocol_name":"tcp","protocol_num":6}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := line(t, forms()[name], none)
			delete(got, "recap")
			delete(got, "unmapped")
			if diff := sinktest.Diff(decode(t, want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryFieldIsSomewhere: a field of the record for which a view's format has no
// place stands in recap, a new one by itself. The fields named here are those that the
// formats have, or that docs/formats.md says are left out.
func TestEveryFieldIsSomewhere(t *testing.T) {
	common := []string{
		"client.ip", "client.port", "server.ip", "server.port",
		"request.time", "request.end_time", "request.method", "request.scheme", "request.host", "request.path", "request.query", "request.url",
		"request.headers", "request.body", "request.body_encoding",
		"response.time", "response.end_time", "response.status", "response.headers", "response.body", "response.body_encoding", "response.alt_framing.body", "response.alt_framing.body_encoding",
	}
	var c export.Cursor
	c.Pair(pair())
	record := sinktest.JSON(export.PairSchema(), &c)
	for name, own := range map[string][]string{
		"zeek": {"flow_id", "request.target", "response.reason"},
		"eve":  {"community_id", "request.target", "client.mac", "vlans", "capture.last_packet"},
		"ecs":  {"id", "community_id", "request.target", "client.mac", "duration_ns", "capture.interface"},
		"ocsf": {"id", "flow_id", "community_id", "client.mac", "response.content_type", "response.reason"},
	} {
		t.Run(name, func(t *testing.T) {
			missing(t, "", record, append(own, common...), ownOf(t, name))
		})
	}
}

func ownOf(t *testing.T, name string) map[string]any { return own(line(t, forms()[name], pair())) }

// missing finds the fields with a value that are neither there nor named in left, or both.
func missing(t *testing.T, prefix string, record map[string]any, left []string, have map[string]any) {
	t.Helper()
	for field, v := range record {
		list, isList := v.([]any)
		group, isGroup := v.(map[string]any)
		got, ok := have[field]
		switch name := prefix + field; {
		case v == nil || isList && len(list) == 0:
		case isGroup:
			inner, _ := got.(map[string]any)
			missing(t, name+".", group, left, inner)
		case ok == slices.Contains(left, name):
			t.Errorf("%s is there: %t, and is named as left out: %t", name, ok, !ok)
		}
	}
}

// TestNoBodyNoPassword: neither is in any view, but for the header as it was sent.
func TestNoBodyNoPassword(t *testing.T) {
	for name, f := range forms() {
		text, _ := json.Marshal(line(t, f, pair()))
		if bytes.Contains(text, []byte("SECRETBODY")) || bytes.Contains(text, []byte("canary")) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestRedaction: what is taken out of the pair is in no view, and a name is not made of
// what was put in its place.
func TestRedaction(t *testing.T) {
	for name, f := range forms() {
		for _, key := range []string{"", "k"} {
			var buf bytes.Buffer
			s := export.NewRedactor(export.RedactHeaders, []byte(key), f(&buf, export.Options{}))
			if err := s.Write(exchange.NewBatch(nil)); err != nil {
				t.Fatal(err)
			}
			b := exchange.NewBatch(nil)
			b.Pairs = append(b.Pairs, pair())
			if err := s.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if text := buf.String(); text == "" || strings.Contains(text, "YWRhOmNhbmFyeQ") || strings.Contains(text, `"username"`) {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

func BenchmarkPairs(b *testing.B) {
	for name, f := range forms() {
		b.Run(name, func(b *testing.B) { sinktest.Bench(b, f) })
	}
}
