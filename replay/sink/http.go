package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"recap/pipeline/exchange"
	"recap/replay/record"
)

// readAll reads a body of at most limit bytes; false where it is longer.
func readAll(r *http.Request, limit int64) ([]byte, bool, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	return b, int64(len(b)) <= limit, err
}

// An Akto is a double of Akto's data ingestion service.
type Akto struct {
	Hub *Hub
	// Out takes the pairs that go out; it keeps none and may be called side by side.
	Out func([]*exchange.Pair)
	// Token is what the authorization header must hold; empty asks for none, which is
	// the service's default.
	Token string
}

// ServeHTTP implements [http.Handler]: POST /api/ingestData.
func (a *Akto) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := a.serve(r)
	a.Hub.answered(pathOf(r, "/api/ingestData"), strconv.Itoa(status))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusOK {
		// The service never sets success: this is what it answers where all went well.
		io.WriteString(w, `{"success":false}`)
	}
}

func (a *Akto) serve(r *http.Request) int {
	switch {
	case r.URL.Path != "/api/ingestData":
		return http.StatusNotFound
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed
	case a.Token != "" && r.Header.Get("Authorization") != a.Token:
		return http.StatusUnauthorized
	}
	body, fits, err := readAll(r, record.MaxAktoBody)
	if err != nil || !fits {
		return http.StatusUnprocessableEntity
	}
	var request struct {
		BatchData []record.AktoRecord `json:"batchData"`
	}
	if json.Unmarshal(body, &request) != nil {
		return http.StatusUnprocessableEntity
	}
	for i := range request.BatchData {
		if request.BatchData[i].Longest() > record.MaxAktoString {
			return http.StatusUnprocessableEntity
		}
	}
	var pairs []*exchange.Pair
	for i := range request.BatchData {
		if why := request.BatchData[i].Refused(); why != "" {
			a.Hub.dropped("akto: " + why)
			continue
		}
		p, err := request.BatchData[i].Pair()
		if err != nil {
			a.Hub.dropped("akto: headers are no string with an object")
			continue
		}
		pairs = append(pairs, p)
	}
	if pairs = a.Hub.Pass(pairs); len(pairs) > 0 {
		a.Out(pairs)
	}
	return http.StatusOK
}

// A Metlo is a double of Metlo's collector. Make one with NewMetlo.
type Metlo struct {
	hub   *Hub
	out   func([]*exchange.Pair)
	key   string
	queue chan *exchange.Pair
	done  sync.WaitGroup
}

// NewMetlo returns a collector that asks for key in the Authorization header, where key
// is not empty. Its queue is worked on until Close.
func NewMetlo(hub *Hub, out func([]*exchange.Pair), key string) *Metlo {
	m := &Metlo{hub: hub, out: out, key: key, queue: make(chan *exchange.Pair, record.MaxMetloQueue)}
	m.done.Go(m.work)
	return m
}

// work takes what is in the queue.
func (m *Metlo) work() {
	for p := range m.queue {
		pairs := []*exchange.Pair{p}
		for len(m.queue) > 0 {
			pairs = append(pairs, <-m.queue)
		}
		if pairs = m.hub.Pass(pairs); len(pairs) > 0 {
			m.out(pairs)
		}
	}
}

// Close works off the queue. No request may come any more.
func (m *Metlo) Close() {
	close(m.queue)
	m.done.Wait()
}

// ServeHTTP implements [http.Handler]: the endpoints below /api/v1 and /api/v2.
func (m *Metlo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, text := m.serve(r)
	m.hub.answered(pathOf(r, "/api/v1", "/api/v1/verify", "/api/v1/log-request/single", "/api/v1/log-request/batch",
		"/api/v2/log-request/single", "/api/v2/log-request/batch"), strconv.Itoa(status))
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func (m *Metlo) serve(r *http.Request) (status int, text string) {
	authorized := m.key == "" || r.Header.Get("Authorization") == m.key
	var version int
	var kind string
	switch r.URL.Path {
	case "/api/v1":
		return http.StatusOK, "OK" // without a key, too
	case "/api/v1/verify":
		if !authorized {
			return http.StatusUnauthorized, ""
		}
		return http.StatusOK, "OK"
	default:
		if n, _ := fmt.Sscanf(r.URL.Path, "/api/v%d/log-request/%s", &version, &kind); n != 2 || version < 1 || version > 2 || kind != "single" && kind != "batch" {
			return http.StatusNotFound, ""
		}
	}
	if r.Method != http.MethodPost {
		return http.StatusNotFound, ""
	}
	if !authorized {
		return http.StatusUnauthorized, ""
	}
	body, fits, err := readAll(r, record.MaxMetloBody)
	switch {
	case err != nil:
		return http.StatusBadRequest, ""
	case !fits:
		return http.StatusRequestEntityTooLarge, ""
	}
	traces, err := metloTraces(body, kind == "batch")
	switch {
	case errors.Is(err, errNotAList):
		return http.StatusInternalServerError, ""
	case err != nil:
		return http.StatusBadRequest, ""
	}
	return m.take(traces, version)
}

var errNotAList = errors.New("a batch is a list")

func metloTraces(body []byte, batch bool) ([]record.MetloTrace, error) {
	if !batch {
		traces := make([]record.MetloTrace, 1)
		return traces, json.Unmarshal(body, &traces[0])
	}
	if b := bytes.TrimLeft(body, " \t\r\n"); json.Valid(b) && (len(b) == 0 || b[0] != '[') {
		return nil, errNotAList
	}
	var traces []record.MetloTrace
	return traces, json.Unmarshal(body, &traces)
}

// take puts traces into the queue as far as the rules and the room in it allow.
func (m *Metlo) take(traces []record.MetloTrace, version int) (status int, text string) {
	for i := range traces {
		if version == 1 && traces[i].BadPath() != "" {
			return http.StatusBadRequest, "invalid path"
		}
	}
	for i := range traces {
		why := traces[i].BadPath()
		if why == "" {
			why = traces[i].Refused()
		}
		if why != "" {
			m.hub.dropped("metlo: " + why)
			continue
		}
		select {
		case m.queue <- traces[i].Pair():
		default:
			m.hub.dropped("metlo: the queue is full")
		}
	}
	return http.StatusOK, "OK"
}

// pathOf is the request's path where it is one of those known, so that counts stay few.
func pathOf(r *http.Request, known ...string) string {
	for _, k := range known {
		if r.URL.Path == k {
			return k
		}
	}
	return "other"
}
