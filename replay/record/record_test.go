package record

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

var (
	testTime   = time.Unix(1_697_040_000, 5)
	testMarker = replay.Marker{Run: 7, Seq: 1000, Due: time.Second}.Append(nil)
)

func testPair() *exchange.Pair {
	p := targettest.Events(1, 12)[0].Pair
	p.Conn.Tunnels = []exchange.Tunnel{{Type: "vxlan", ID: 123}}
	return p
}

// The record is held against the documented one, value for value.
func TestAktoJSONIsAsDocumented(t *testing.T) {
	var m Maker
	var got map[string]string // every value is a string, or this fails
	if err := json.Unmarshal(m.Append(nil, AktoJSON, testPair(), testMarker, testTime), &got); err != nil {
		t.Fatal(err)
	}
	headers := map[string]map[string]string{}
	for _, name := range []string{"requestHeaders", "responseHeaders"} {
		var h map[string]string
		if err := json.Unmarshal([]byte(got[name]), &h); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		headers[name] = h
		delete(got, name)
	}
	want := map[string]string{
		"path": "/api/cars/0?x=1", "method": "POST", "type": "HTTP/1.1", "requestPayload": `{"i":0}`, "responsePayload": "rrrrrrrrrrrr",
		"statusCode": "200", "status": "200 OK", "ip": "10.0.0.1", "destIp": "10.0.1.1", "time": "1697040000",
		"akto_account_id": "1000000", "akto_vxlan_id": "123", "is_pending": "false", "source": "MIRRORING", "direction": "1",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantHeaders := map[string]map[string]string{
		"requestHeaders":  {"host": "api.example.com", "Content-Type": "application/json", "Content-Length": "7", "X-Replay-Id": string(testMarker)},
		"responseHeaders": {"Set-Cookie": "b=2", "Content-Type": "application/json", "Content-Length": "12", "X-Replay-Id": string(testMarker)},
	}
	for name, want := range wantHeaders {
		if !maps.Equal(headers[name], want) {
			t.Errorf("%s: got %v, want %v", name, headers[name], want)
		}
	}
}

// descriptor is HttpResponseParam as a second implementation of protobuf knows it.
func descriptor(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	typ := func(name string) *descriptorpb.FieldDescriptorProto_Type {
		v := descriptorpb.FieldDescriptorProto_Type(descriptorpb.FieldDescriptorProto_Type_value["TYPE_"+name])
		return v.Enum()
	}
	optional, repeated := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	field := func(name string, num int32, kind string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(num), Type: typ(kind), Label: optional}
	}
	mapField := func(name, entry string, num int32) (*descriptorpb.FieldDescriptorProto, *descriptorpb.DescriptorProto) {
		f := field(name, num, "MESSAGE")
		f.Label, f.TypeName = repeated, proto.String(".t.P."+entry)
		value := field("value", 2, "MESSAGE")
		value.TypeName = proto.String(".t.StringList")
		return f, &descriptorpb.DescriptorProto{Name: proto.String(entry), Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, "STRING"), value},
			Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}
	}
	req, reqEntry := mapField("request_headers", "RequestHeadersEntry", 4)
	resp, respEntry := mapField("response_headers", "ResponseHeadersEntry", 9)
	values := field("values", 1, "STRING")
	values.Label = repeated
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("t.proto"), Package: proto.String("t"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("StringList"), Field: []*descriptorpb.FieldDescriptorProto{values}},
			{Name: proto.String("P"), NestedType: []*descriptorpb.DescriptorProto{reqEntry, respEntry}, Field: []*descriptorpb.FieldDescriptorProto{
				field("method", 1, "STRING"), field("path", 2, "STRING"), field("type", 3, "STRING"), req, field("request_payload", 5, "STRING"),
				field("api_collection_id", 6, "INT32"), field("status_code", 7, "INT32"), field("status", 8, "STRING"), resp,
				field("response_payload", 10, "STRING"), field("time", 11, "INT32"), field("akto_account_id", 12, "STRING"), field("ip", 13, "STRING"),
				field("dest_ip", 14, "STRING"), field("direction", 15, "STRING"), field("is_pending", 16, "BOOL"), field("source", 17, "STRING"),
				field("akto_vxlan_id", 18, "STRING"),
			}},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().ByName("P")
}

func TestAktoProtoIsReadByAnotherDecoder(t *testing.T) {
	var m Maker
	desc := descriptor(t)
	msg := dynamicpb.NewMessage(desc)
	if err := proto.Unmarshal(m.Append(nil, AktoProto, testPair(), testMarker, testTime), msg); err != nil {
		t.Fatal(err)
	}
	if n := len(msg.GetUnknown()); n != 0 {
		t.Errorf("%d bytes belong to no field", n)
	}
	want := map[protoreflect.Name]any{
		"method": "POST", "path": "/api/cars/0?x=1", "type": "HTTP/1.1", "request_payload": `{"i":0}`, "api_collection_id": int32(123),
		"status_code": int32(200), "status": "200 OK", "response_payload": "rrrrrrrrrrrr", "time": int32(1697040000), "akto_account_id": "1000000",
		"ip": "10.0.0.1", "dest_ip": "10.0.1.1", "direction": "INBOUND", "is_pending": false, "source": "MIRRORING", "akto_vxlan_id": "123",
	}
	for name, v := range want {
		if got := msg.Get(desc.Fields().ByName(name)).Interface(); got != v {
			t.Errorf("%s = %v, want %v", name, got, v)
		}
	}
	headers := func(name protoreflect.Name) map[string][]string {
		out := map[string][]string{}
		msg.Get(desc.Fields().ByName(name)).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			list := v.Message().Get(v.Message().Descriptor().Fields().ByNumber(1)).List()
			for i := range list.Len() {
				out[k.String()] = append(out[k.String()], list.Get(i).String())
			}
			return true
		})
		return out
	}
	got := headers("response_headers")
	if !slices.Equal(got["Set-Cookie"], []string{"a=1", "b=2"}) || !slices.Equal(got["X-Replay-Id"], []string{string(testMarker)}) || len(got) != 4 {
		t.Errorf("response headers are %v", got)
	}
	if got := headers("request_headers"); !slices.Equal(got["X-Replay-Id"], []string{string(testMarker)}) || len(got) != 4 {
		t.Errorf("request headers are %v", got)
	}
}

// And the other way round: what another encoder writes, in any order of fields, is read.
func TestAktoProtoOfAnotherEncoder(t *testing.T) {
	var m Maker
	desc := descriptor(t)
	msg := dynamicpb.NewMessage(desc)
	text := m.Append(nil, AktoProto, testPair(), testMarker, testTime)
	if err := proto.Unmarshal(text, msg); err != nil {
		t.Fatal(err)
	}
	other, err := proto.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	checkObserved(t, AktoProto, other, testPair())
}

func TestMetloIsAsDocumented(t *testing.T) {
	var m Maker
	p := testPair()
	p.Request.Query = "foo=bar&x=a%20b"
	want := `{"request":{"url":{"host":"api.example.com","path":"/api/cars/0","parameters":[{"name":"foo","value":"bar"},{"name":"x","value":"a b"}]},` +
		`"headers":[{"name":"Host","value":"api.example.com"},{"name":"Content-Type","value":"application/json"},{"name":"Content-Length","value":"7"},` +
		`{"name":"X-Replay-Id","value":"` + string(testMarker) + `"}],"method":"POST","body":"{\"i\":0}"},` +
		`"response":{"status":200,"headers":[{"name":"Set-Cookie","value":"a=1"},{"name":"Set-Cookie","value":"b=2"},` +
		`{"name":"Content-Type","value":"application/json"},{"name":"Content-Length","value":"12"},{"name":"X-Replay-Id","value":"` + string(testMarker) + `"}],` +
		`"body":"rrrrrrrrrrrr"},"meta":{"environment":"production","incoming":true,"source":"10.0.0.1","sourcePort":40000,"destination":"10.0.1.1","destinationPort":80}}`
	if got := string(m.Append(nil, Metlo, p, testMarker, testTime)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestGoReplayHoldsTheRequest(t *testing.T) {
	var m Maker
	b := m.Append(nil, GoReplay, testPair(), testMarker, testTime)
	want := `{"Req_URL":"/api/cars/0?x=1","Req_Type":"1","Req_ID":"ff0000000000000000000000","Req_Ts":"1697040000000000005","Req_Method":"POST",` +
		`"Req_Body":"{\"i\":0}","Req_Headers":{"Content-Type":"application/json","Content-Length":"7","X-Replay-Id":"` + string(testMarker) + `","host":"api.example.com"}}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	p, err := Decode("", b)
	if err != nil {
		t.Fatal(err)
	}
	var o replay.Observation
	if Observe(p, &o); string(o.Request) != string(testMarker) || o.Response != nil || o.RequestBody != 7 || o.ResponseBody != -1 {
		t.Errorf("observed %+v", o)
	}
}

// checkObserved wants the markers and sizes of p out of a record of it.
func checkObserved(t *testing.T, form string, b []byte, p *exchange.Pair) {
	t.Helper()
	for _, hint := range []string{form, ""} {
		got, err := Decode(hint, b)
		if err != nil {
			t.Fatalf("Decode(%q, %q): %v", hint, b, err)
		}
		var o replay.Observation
		Observe(got, &o)
		if string(o.Request) != string(testMarker) || form != GoReplay && string(o.Response) != string(testMarker) {
			t.Fatalf("Decode(%q, %q): markers %q and %q, want %q", hint, b, o.Request, o.Response, testMarker)
		}
		size := func(m *exchange.Message) int64 { return textSize(strings.ToValidUTF8(string(m.Body), "\uFFFD")) }
		if want := size(&p.Request.Message); o.RequestBody != want {
			t.Fatalf("Decode(%q, %q): request body of %d, want %d", hint, b, o.RequestBody, want)
		}
		if want := size(&p.Response.Message); form != GoReplay && o.ResponseBody != want {
			t.Fatalf("Decode(%q, %q): response body of %d, want %d", hint, b, o.ResponseBody, want)
		}
	}
}

// Old markers go, whatever their case; other fields stay.
func TestAnEarlierMarkerIsReplaced(t *testing.T) {
	p := testPair()
	p.Request.Headers = append(p.Request.Headers, exchange.Header{Name: "x-replay-id", Value: "old"})
	p.Response.Headers = append(p.Response.Headers, exchange.Header{Name: "X-REPLAY-ID", Value: "old"})
	for _, form := range []string{AktoJSON, AktoProto, GoReplay, Metlo} {
		var m Maker
		b := m.Append(nil, form, p, testMarker, testTime)
		if strings.Contains(string(b), "old") {
			t.Errorf("%s: %q holds the old marker", form, b)
		}
		checkObserved(t, form, b, p)
	}
}

func TestRecordsThatAreNoPairs(t *testing.T) {
	for _, tt := range []struct{ name, record string }{
		{"the mirror module's first message", `{"testConnectionString":"kafkaInit"}`},
		{"nothing", ``},
		{"half a record", `{"path":"/a","method":"GET","requestHeaders":"{\"X-Replay-Id\":`},
		{"headers that are no object", `{"path":"/a","method":"GET","requestHeaders":"[]"}`},
		{"a list", `[1]`},
		{"text", "hello"},
		{"a request without a method", `{"path":"/a","requestHeaders":"{}"}`},
		{"a response of GoReplay", `{"Req_URL":"/","Req_Type":"2","Req_Method":"GET"}`},
		{"a line of another state", `{"id":"00","state":"new","request":{}}`},
		{"a line without messages", `{"id":"00","state":"complete","request":null,"response":null}`},
		{"two records in one", `{"path":"/a","method":"GET"}{"path":"/a","method":"GET"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, form := range append(Formats(), "") {
				if p, err := Decode(form, []byte(tt.record)); err == nil {
					t.Errorf("Decode(%q, %q) = %+v", form, tt.record, p.Request)
				}
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		name, form string
		change     func(*exchange.Pair)
		want       string
	}{
		{"a whole pair", Metlo, func(*exchange.Pair) {}, ""},
		{"a question mark in the path", Metlo, func(p *exchange.Pair) { p.Request.Path = "/a?b" }, ReasonPathCharacter},
		{"an equals sign in the path", Metlo, func(p *exchange.Pair) { p.Request.Path = "/a;v=1" }, ReasonPathCharacter},
		{"the same for Akto", AktoJSON, func(p *exchange.Pair) { p.Request.Path = "/a;v=1" }, ""},
		{"a star", Metlo, func(p *exchange.Pair) { p.Request.Path = "*" }, ReasonRelativePath},
		{"the root", Metlo, func(p *exchange.Pair) { p.Request.Path = "/" }, ""},
		{"two empty parts", Metlo, func(p *exchange.Pair) { p.Request.Path = "/a/" }, ""},
		{"three empty parts", Metlo, func(p *exchange.Pair) { p.Request.Path = "/a//" }, ReasonEmptyTokens},
		{"no response", AktoJSON, func(p *exchange.Pair) { p.Response = exchange.Response{} }, ReasonNoResponse},
		{"no response in a form that has none", GoReplay, func(p *exchange.Pair) { p.Response = exchange.Response{} }, ""},
		{"no request", AktoProto, func(p *exchange.Pair) { p.Request = exchange.Request{} }, ReasonNoMethod},
		{"no request in recap's own record", Recap, func(p *exchange.Pair) { p.Request = exchange.Request{} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := testPair()
			tt.change(p)
			if got := Refusal(tt.form, p); got != tt.want {
				t.Errorf("Refusal(%s) = %q, want %q", tt.form, got, tt.want)
			}
		})
	}
}

// What the pre-flight lets pass, a receiver that checks the record must let pass too,
// and the other way round.
func TestRefusalAgreesWithTheRecord(t *testing.T) {
	paths := []string{"/", "", "*", "/a", "/a//b", "/a//b/", "/a=b", `/a\b`, "/a&", "/<", "/é"}
	for _, path := range paths {
		for _, status := range []int32{0, 200} {
			for _, method := range []string{"", "GET"} {
				p := testPair()
				p.Request.Path, p.Request.Method, p.Response.Status = path, method, status
				var m Maker
				var trace MetloTrace
				if err := json.Unmarshal(m.Append(nil, Metlo, p, testMarker, testTime), &trace); err != nil {
					t.Fatal(err)
				}
				if got, want := Refusal(Metlo, p) != "", trace.BadPath()+trace.Refused() != ""; got != want {
					t.Errorf("metlo: %q %q %d: refused beforehand: %t, by the receiver: %t", method, path, status, got, want)
				}
				var a AktoRecord
				if err := json.Unmarshal(m.Append(nil, AktoJSON, p, testMarker, testTime), &a); err != nil {
					t.Fatal(err)
				}
				if got, want := Refusal(AktoJSON, p) != "", a.Refused() != ""; got != want {
					t.Errorf("akto: %q %q %d: refused beforehand: %t, by the receiver: %t (%s)", method, path, status, got, want, a.Refused())
				}
			}
		}
	}
}

// FuzzRoundTrip: whatever a pair holds, its record gives back its markers and sizes.
func FuzzRoundTrip(f *testing.F) {
	f.Add("GET", "/a?b=c", "name", "value", []byte("body"), []byte(nil), int64(1))
	f.Add("P\"ST", "/\x00", "HOST", "\xff\u2028", []byte("\xff\xfe"), []byte("\uFFFD"), int64(2))
	f.Fuzz(func(t *testing.T, method, target, name, value string, request, response []byte, seed int64) {
		if method = strings.ToValidUTF8(method, "?"); method == "" {
			method = "GET"
		}
		p := testPair()
		p.Request.Method, p.Request.Target, p.Request.Path = method, strings.ToValidUTF8(target, "?"), strings.ToValidUTF8(target, "?")
		rnd := rand.New(rand.NewPCG(uint64(seed), 0))
		for range rnd.IntN(4) {
			h := exchange.Header{Name: strings.ToValidUTF8(name, "?"), Value: strings.ToValidUTF8(value, "?")}
			p.Request.Headers = slices.Insert(p.Request.Headers, rnd.IntN(len(p.Request.Headers)), h)
			p.Response.Headers = append(p.Response.Headers, h)
		}
		p.Request.Body, p.Request.BodySize = request, int64(len(request))
		p.Response.Body, p.Response.BodySize = response, int64(len(response))
		var m Maker
		for _, form := range []string{AktoJSON, AktoProto, GoReplay, Metlo} {
			b := m.Append(nil, form, p, testMarker, testTime)
			if form != AktoProto && !json.Valid(b) {
				t.Fatalf("%s: %q is no JSON", form, b)
			}
			checkObserved(t, form, b, p)
		}
	})
}

// FuzzDecode: whatever bytes come, a marker that is found in them is in them.
func FuzzDecode(f *testing.F) {
	var m Maker
	for _, form := range []string{AktoJSON, AktoProto, GoReplay, Metlo} {
		f.Add(m.Append(nil, form, testPair(), testMarker, testTime))
	}
	f.Add([]byte(`{"id":"00","state":"partial","request":{"method":"GET","headers":[{"name":"X-Replay-Id","value":"1"}],"body":"YQ==","body_encoding":"base64","body_size":1},"response":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, form := range append(Formats(), "") {
			p, err := Decode(form, b)
			if err != nil {
				continue
			}
			if !p.Request.Present && !p.Response.Present {
				t.Fatalf("Decode(%q, %q) is a pair of nothing", form, b)
			}
			var o replay.Observation
			Observe(p, &o)
			for _, marker := range [][]byte{o.Request, o.Response} {
				parsed, err := replay.ParseMarker(marker)
				if err != nil {
					continue
				}
				// A marker may be escaped in JSON, but its digits are still there one by one.
				if strings.Contains(string(b), `\`) {
					continue
				}
				if !strings.Contains(strings.ToLower(string(b)), parsed.String()) {
					t.Fatalf("Decode(%q, %q) found marker %q", form, b, marker)
				}
			}
			for _, size := range []int64{o.RequestBody, o.ResponseBody} {
				if form != Recap && Guess(b) != Recap && size > int64(len(b)) {
					t.Fatalf("Decode(%q, %q) found a body of %d bytes", form, b, size)
				}
			}
		}
	})
}

// BenchmarkAktoJSON makes the records of which BenchmarkRealKafka sends 100,000.
func BenchmarkAktoJSON(b *testing.B) {
	events := targettest.Events(1000, 1000)
	env := new(targettest.Env)
	var maker Maker
	marker := env.Marker(nil, &events[0], 0)
	at := env.Start()
	var buf []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		buf = maker.Append(buf[:0], AktoJSON, events[i%len(events)].Pair, marker, at)
	}
	b.SetBytes(int64(len(buf)))
}
