// Package sink is a reference ingestor: it takes pairs as Akto, Metlo and consumers
// of Kafka topics do, or from a live packet source (its pipeline runs elsewhere),
// counts them, and gives out what it saw to whoever reconciles a replay.
//
// It is the calibration of a sender and a double of ingestors that cannot be had: its
// HTTP endpoints enforce the documented rules of Akto and Metlo, refusals and silent
// drops included, and it does wrong on request ([Faults]), exactly and repeatably.
package sink

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/record"
)

// MaxListed bounds the numbers of pairs listed for each fault.
const MaxListed = 100_000

// Counts is what a sink has seen.
type Counts struct {
	// Pairs arrived whole and were let in; Given of them went out, repetitions
	// included. Marked of Pairs carry a marker.
	Pairs  int64 `json:"pairs"`
	Given  int64 `json:"given"`
	Marked int64 `json:"marked"`
	// Dropped counts records that the rules of the ingestor drop without telling the
	// sender, Answers those of HTTP requests, by "path: status".
	Dropped map[string]int64 `json:"dropped,omitempty"`
	Answers map[string]int64 `json:"answers,omitempty"`
	// Undecodable counts records of a topic that were no pairs.
	Undecodable int64 `json:"undecodable"`
	// Faults holds what was done wrong, by name of the fault.
	Faults map[string]Done `json:"faults,omitempty"`
	// Subscribers that fell so far behind that they were cut off.
	Overruns int64 `json:"overruns"`
	// Holds is how often senders were asked to wait, because too much of what came had not
	// been taken in yet.
	Holds int64 `json:"holds"`
}

// Done counts the pairs that a fault befell, and lists the numbers of those that have
// a marker, in the order in which they came, at most [MaxListed].
type Done struct {
	Pairs int64    `json:"pairs"`
	Seqs  []uint64 `json:"seqs"`
}

// A Hub is where the pairs of all ways in come together: faults, counts, and the
// stream of observations. Its methods may be called from any goroutine.
type Hub struct {
	faults Faults
	stream *Stream

	mu     sync.Mutex
	counts Counts
	first  time.Time          // when the first pair came
	last   *exchange.Response // the response that a mispaired request gets
	text   []byte
	gate   gate
}

// NewHub returns a hub; stream may be nil where nobody wants to know.
func NewHub(f Faults, stream *Stream) *Hub {
	h := &Hub{faults: f, stream: stream, counts: Counts{
		Dropped: make(map[string]int64), Answers: make(map[string]int64), Faults: make(map[string]Done)}}
	if f.limit > 0 {
		h.gate.every = time.Duration(float64(time.Second) / f.limit)
	}
	return h
}

// Counts returns a copy of the counts so far.
func (h *Hub) Counts() Counts {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.counts
	c.Dropped, c.Answers, c.Faults = maps.Clone(c.Dropped), maps.Clone(c.Answers), maps.Clone(c.Faults)
	if h.stream != nil {
		c.Overruns = h.stream.Overruns()
	}
	return c
}

// dropped counts a record that a rule drops silently.
func (h *Hub) dropped(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Dropped[why]++
}

func (h *Hub) answered(path, status string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Answers[path+": "+status]++
}

// undecodable counts a record that is no pair.
func (h *Hub) undecodable() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Undecodable++
}

// Pass takes pairs and returns those that go out, in pairs itself where that is all of
// them. Faults change the pairs, not the list.
func (h *Hub) Pass(pairs []*exchange.Pair) []*exchange.Pair {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first.IsZero() && len(pairs) > 0 {
		h.first = now
	}
	var out []*exchange.Pair
	for i, p := range pairs {
		n := h.pass(p, now)
		if n != 1 && out == nil {
			out = append(make([]*exchange.Pair, 0, len(pairs)+1), pairs[:i]...)
		}
		if n == 1 && out == nil {
			continue
		}
		for range n {
			out = append(out, p)
		}
	}
	if out == nil {
		return pairs
	}
	return out
}

// pass lets a fault befall p and returns how often it goes out.
func (h *Hub) pass(p *exchange.Pair, now time.Time) int {
	var seen replay.Observation
	record.Observe(p, &seen)
	marker := seen.Request
	if len(marker) == 0 {
		marker = seen.Response
	}
	m, err := replay.ParseMarker(marker)
	marked := err == nil
	if !marked {
		m = replay.Marker{Seq: uint64(h.counts.Pairs), Due: now.Sub(h.first)}
	}
	h.counts.Pairs++
	if marked {
		h.counts.Marked++
	}
	n, response := 1, p.Response
	if !h.gate.pass(now) {
		h.note(Limit, m.Seq, marked)
		return 0
	}
	if k, ok := h.faults.Befalls(m.Seq, m.Due); ok && h.inflict(k, p) {
		h.note(k, m.Seq, marked)
		switch k {
		case Blind, Drop:
			n = 0
		case Duplicate:
			n = 2
		default:
			record.Observe(p, &seen)
		}
	}
	if h.faults.share[Mispair] != (share{}) && response.Present && marked {
		h.last = cloneResponse(&response)
	}
	h.counts.Given += int64(n)
	for range n {
		h.publish(&seen, now)
	}
	return n
}

func (h *Hub) publish(o *replay.Observation, now time.Time) {
	if h.stream != nil {
		h.text = appendObservation(h.text[:0], o)
		h.stream.publish(h.text, now.Add(h.faults.delay), h.faults.delay > 0)
	}
}

// inflict changes p as the fault would; false where there is nothing to change.
func (h *Hub) inflict(k Kind, p *exchange.Pair) bool {
	switch k {
	case Mispair:
		if h.last == nil || !p.Response.Present {
			return false
		}
		p.Response, h.last = *h.last, nil
	case Truncate:
		return halve(&p.Response.Message) || halve(&p.Request.Message)
	}
	return true
}

// halve loses the second half of a body, and all knowledge of it.
func halve(m *exchange.Message) bool {
	if m.BodySize < 1 {
		return false
	}
	m.BodySize /= 2
	m.BodyWireSize = m.BodySize
	m.Body = m.Body[:min(int64(len(m.Body)), m.BodySize)]
	m.Hashed = false
	return true
}

func (h *Hub) note(k Kind, seq uint64, marked bool) {
	d := h.counts.Faults[k.String()]
	d.Pairs++
	if marked && len(d.Seqs) < MaxListed {
		d.Seqs = append(d.Seqs, seq)
	}
	h.counts.Faults[k.String()] = d
}

// cloneResponse returns a copy that shares no memory with r.
func cloneResponse(r *exchange.Response) *exchange.Response {
	c := *r
	c.Reason, c.Version = strings.Clone(c.Reason), strings.Clone(c.Version)
	c.ContentType, c.ContentEncoding = strings.Clone(c.ContentType), strings.Clone(c.ContentEncoding)
	c.Headers, c.Trailers = cloneHeaders(c.Headers), cloneHeaders(c.Trailers)
	c.Head, c.Body = slices.Clone(c.Head), slices.Clone(c.Body)
	c.Gaps, c.Packets = slices.Clone(c.Gaps), slices.Clone(c.Packets)
	c.Interim, c.Shared = nil, false
	return &c
}

func cloneHeaders(list []exchange.Header) []exchange.Header {
	list = slices.Clone(list)
	for i, h := range list {
		list[i] = exchange.Header{Name: strings.Clone(h.Name), Value: strings.Clone(h.Value)}
	}
	return list
}
