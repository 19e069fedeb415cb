package sink

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"recap/pipeline/exchange"
	"recap/replay/record"
)

// serve answers one request.
func serve(h http.Handler, method, path, key, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestAktoRules(t *testing.T) {
	good := `{"path":"/a","method":"GET","type":"HTTP/1.1","requestHeaders":"{}","requestPayload":"","responseHeaders":"{}","responsePayload":"x",` +
		`"statusCode":"200","status":"200 OK","time":"1697040000","is_pending":"false","source":"MIRRORING"}`
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%s is not in the record", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	batch := func(records ...string) string { return `{"batchData":[` + strings.Join(records, ",") + "]}" }
	for _, tt := range []struct {
		name, method, path, key, body string
		status, taken, dropped        int
	}{
		{"a record", "POST", "/api/ingestData", "jwt", batch(good), 200, 1, 0},
		{"two records", "POST", "/api/ingestData", "jwt", batch(good, good), 200, 2, 0},
		{"no records", "POST", "/api/ingestData", "jwt", batch(), 200, 0, 0},
		{"without the token", "POST", "/api/ingestData", "", batch(good), 401, 0, 0},
		{"with another token", "POST", "/api/ingestData", "other", batch(good), 401, 0, 0},
		{"no JSON", "POST", "/api/ingestData", "jwt", "x", 422, 0, 0},
		{"half a batch", "POST", "/api/ingestData", "jwt", batch(good)[:50], 422, 0, 0},
		{"another path", "POST", "/api/ingest", "jwt", batch(good), 404, 0, 0},
		{"another method", "GET", "/api/ingestData", "jwt", "", 405, 0, 0},
		{"is_pending as a boolean", "POST", "/api/ingestData", "jwt", batch(good, change(`"false"`, "false")), 200, 1, 1},
		{"no is_pending", "POST", "/api/ingestData", "jwt", batch(change(`,"is_pending":"false"`, "")), 200, 1, 0},
		{"a source that is not known", "POST", "/api/ingestData", "jwt", batch(change("MIRRORING", "MIRROR")), 200, 0, 1},
		{"no source", "POST", "/api/ingestData", "jwt", batch(change(`,"source":"MIRRORING"`, "")), 200, 1, 0},
		{"a status that is no number", "POST", "/api/ingestData", "jwt", batch(change(`"200",`, `"ok",`)), 200, 0, 1},
		{"a time in milliseconds", "POST", "/api/ingestData", "jwt", batch(change("1697040000", "1697040000000")), 200, 0, 1},
		{"headers as an object", "POST", "/api/ingestData", "jwt", batch(change(`"requestHeaders":"{}"`, `"requestHeaders":{}`)), 200, 0, 1},
		{"a string of the largest size", "POST", "/api/ingestData", "jwt", batch(change(`"x"`, `"`+strings.Repeat("x", record.MaxAktoString)+`"`)), 200, 1, 0},
		{"a string that is too long", "POST", "/api/ingestData", "jwt", batch(change(`"x"`, `"`+strings.Repeat("x", record.MaxAktoString+1)+`"`)), 422, 0, 0},
		{"a body of the largest size", "POST", "/api/ingestData", "jwt", batch(good) + strings.Repeat(" ", record.MaxAktoBody-len(batch(good))), 200, 1, 0},
		{"a body that is too long", "POST", "/api/ingestData", "jwt", batch(good) + strings.Repeat(" ", record.MaxAktoBody-len(batch(good))+1), 422, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			taken := 0
			hub := NewHub(Faults{}, nil)
			status, text := serve(&Akto{Hub: hub, Token: "jwt", Out: func(p []*exchange.Pair) { taken += len(p) }}, tt.method, tt.path, tt.key, tt.body)
			if status != tt.status || taken != tt.taken {
				t.Errorf("status %d, %d taken; want %d, %d", status, taken, tt.status, tt.taken)
			}
			if status == 200 && text != `{"success":false}` {
				t.Errorf("answered %q", text)
			}
			checkDropped(t, hub, tt.dropped)
		})
	}
}

func checkDropped(t *testing.T, hub *Hub, want int) {
	t.Helper()
	n := 0
	for _, c := range hub.Counts().Dropped {
		n += int(c)
	}
	if n != want {
		t.Errorf("%d were dropped silently, want %d: %v", n, want, hub.Counts().Dropped)
	}
}

func TestMetloRules(t *testing.T) {
	trace := func(path, method string, status int) string {
		return fmt.Sprintf(`{"request":{"url":{"host":"h","path":%q,"parameters":[]},"headers":[],"method":%q,"body":""},"response":{"status":%d,"headers":[],"body":""},"meta":{}}`,
			path, method, status)
	}
	good := trace("/a", "GET", 200)
	big := "[" + good + "]" + strings.Repeat(" ", record.MaxMetloBody-len(good)-2)
	for _, tt := range []struct {
		name, method, path, key, body string
		status, taken, dropped        int
	}{
		{"is it there, without a key", "GET", "/api/v1", "", "", 200, 0, 0},
		{"is the key right", "GET", "/api/v1/verify", "key", "", 200, 0, 0},
		{"it is not", "GET", "/api/v1/verify", "Bearer key", "", 401, 0, 0},
		{"one trace", "POST", "/api/v1/log-request/single", "key", good, 200, 1, 0},
		{"a batch", "POST", "/api/v1/log-request/batch", "key", "[" + good + "," + good + "]", 200, 2, 0},
		{"a batch, v2", "POST", "/api/v2/log-request/batch", "key", "[" + good + "]", 200, 1, 0},
		{"without a key", "POST", "/api/v2/log-request/batch", "", "[" + good + "]", 401, 0, 0},
		{"the endpoint that one client believes in", "POST", "/api/v1/log-request/bulk", "key", "[" + good + "]", 404, 0, 0},
		{"a batch that is an object", "POST", "/api/v1/log-request/batch", "key", good, 500, 0, 0},
		{"no JSON", "POST", "/api/v1/log-request/batch", "key", "[", 400, 0, 0},
		{"a body of the largest size", "POST", "/api/v1/log-request/batch", "key", big, 200, 1, 0},
		{"a body that is too long", "POST", "/api/v1/log-request/batch", "key", big + " ", 413, 0, 0},
		{"a query in the path, v1", "POST", "/api/v1/log-request/batch", "key", "[" + good + "," + trace("/a?b", "GET", 200) + "]", 400, 0, 0},
		{"a query in the path, v2", "POST", "/api/v2/log-request/batch", "key", "[" + good + "," + trace("/a?b", "GET", 200) + "]", 200, 1, 1},
		{"a path of nothing but slashes, v2", "POST", "/api/v2/log-request/single", "key", trace("///", "GET", 200), 200, 0, 1},
		{"no method", "POST", "/api/v1/log-request/single", "key", trace("/a", "", 200), 200, 0, 1},
		{"no status", "POST", "/api/v1/log-request/single", "key", trace("/a", "GET", 0), 200, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			taken := 0
			hub := NewHub(Faults{}, nil)
			m := NewMetlo(hub, func(p []*exchange.Pair) { taken += len(p) }, "key")
			status, _ := serve(m, tt.method, tt.path, tt.key, tt.body)
			m.Close()
			if status != tt.status || taken != tt.taken {
				t.Errorf("status %d, %d taken; want %d, %d", status, taken, tt.status, tt.taken)
			}
			checkDropped(t, hub, tt.dropped)
		})
	}
}

// What does not find room in the queue is dropped with 200.
func TestMetloDropsWhenItsQueueIsFull(t *testing.T) {
	hub := NewHub(Faults{}, nil)
	busy := make(chan struct{})
	began := make(chan struct{}, 1)
	var taken atomic.Int64
	m := NewMetlo(hub, func(p []*exchange.Pair) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-busy
		taken.Add(int64(len(p)))
	}, "")
	one := `{"request":{"url":{"path":"/"},"method":"GET"},"response":{"status":200}}`
	serve(m, "POST", "/api/v1/log-request/single", "", one)
	<-began // the worker holds it, and the queue is empty
	status, _ := serve(m, "POST", "/api/v1/log-request/batch", "", "["+strings.Repeat(one+",", 1199)+one+"]")
	close(busy)
	m.Close()
	if status != 200 || taken.Load() != 1001 || hub.Counts().Dropped["metlo: the queue is full"] != 200 {
		t.Errorf("status %d, %d taken, dropped %v; want 200, 1001, 200", status, taken.Load(), hub.Counts().Dropped)
	}
}
