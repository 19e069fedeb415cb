package http

import "github.com/HdrHistogram/hdrhistogram-go"

// Findings is what stands under "target" in replay.json. Times are nanoseconds,
// sizes bytes.
type Findings struct {
	Kind    string `json:"kind"`    // "http"
	Address string `json:"address"` // the only one that was dialled

	// Answered requests got a whole response. Unsent ones waited when the run was
	// stopped. Late ones waited more than a millisecond for their connection: for its
	// making, or for the response before; what the clock lost is not among them.
	Answered int64 `json:"answered"`
	Unsent   int64 `json:"unsent"`
	Late     int64 `json:"late"`
	// Resent requests met a connection that the target had closed, and were sent on a new one.
	Resent int64 `json:"resent"`
	// LeftOut counts pairs that were not sent, by reason; Errors exchanges that
	// failed, by step; HeldBack how often the dispatcher had to wait, by bound.
	LeftOut  map[string]int64 `json:"left_out"`
	Errors   map[string]int64 `json:"errors"`
	HeldBack map[string]int64 `json:"held_back"`

	Connections   Connections      `json:"connections"`
	Versions      map[string]int64 `json:"versions"` // connections by HTTP version
	Status        map[int32]int64  `json:"status"`
	Redirects     int64            `json:"redirects"` // none was followed
	BytesSent     int64            `json:"bytes_sent"`
	BytesReceived int64            `json:"bytes_received"`

	Latency Latencies `json:"latency"`
	Series  Series    `json:"series"`

	Compared Compared `json:"compared"`
	// Differences counts pairs by kind of difference; Headers and Places count them by
	// the name of the field and by the place in JSON.
	Differences map[string]int64 `json:"differences"`
	Headers     map[string]int64 `json:"headers"`
	Places      map[string]int64 `json:"json_places"`
	Examples    []Example        `json:"examples"`
}

// Connections counts those to the target.
type Connections struct {
	Opened       int64 `json:"opened"`
	Most         int64 `json:"most_open"`
	ClosedByPeer int64 `json:"closed_by_peer"` // found closed ahead of a request
	Evicted      int64 `json:"evicted"`        // idle ones that made room
	Unasked      int64 `json:"unasked"`        // closed because more came than the response that was asked for
}

// Compared counts responses by what the comparison gave.
type Compared struct {
	Same      int64 `json:"same"`
	Different int64 `json:"different"`
	// SameHead responses were alike as far as the record tells: it lacks the body.
	SameHead int64 `json:"same_head"`
	NoRecord int64 `json:"no_record"` // the capture holds no response
}

// Latencies are those of answered requests.
type Latencies struct {
	// Intended is from the moment at which the request was due to the end of the
	// response, so that time spent behind a slow response counts; Service is from the
	// moment at which it left.
	Intended  Quantiles `json:"intended"`
	Service   Quantiles `json:"service"`
	FirstByte Quantiles `json:"first_byte"`
	SendDelay Quantiles `json:"send_delay"` // from due to left
	Connect   Quantiles `json:"connect"`    // with TLS
}

// Quantiles describe a distribution.
type Quantiles struct {
	Count  int64 `json:"count"`
	MeanNS int64 `json:"mean_ns"`
	MinNS  int64 `json:"min_ns"`
	P50NS  int64 `json:"p50_ns"`
	P90NS  int64 `json:"p90_ns"`
	P95NS  int64 `json:"p95_ns"`
	P99NS  int64 `json:"p99_ns"`
	P999NS int64 `json:"p999_ns"`
	MaxNS  int64 `json:"max_ns"`
	// Curve is the distribution, by rising quantile.
	Curve []Quantile `json:"curve,omitempty"`
}

// A Quantile is one point of a distribution: a share of Q values is at most NS.
type Quantile struct {
	Q  float64 `json:"q"`
	NS int64   `json:"ns"`
}

// Series is the run in steps.
type Series struct {
	StepNS int64   `json:"step_ns"`
	Points []Point `json:"points"`
}

// A Point is one step, by the end of the exchanges. Times are from the intended moment.
type Point struct {
	AtNS          int64 `json:"at_ns"`
	Answered      int64 `json:"answered"`
	Errors        int64 `json:"errors"`
	Different     int64 `json:"different"`
	BytesSent     int64 `json:"bytes_sent"`
	BytesReceived int64 `json:"bytes_received"`
	P50NS         int64 `json:"p50_ns"`
	P99NS         int64 `json:"p99_ns"`
	MaxNS         int64 `json:"max_ns"`
}

// An Example is a difference, or an error, of one pair.
type Example struct {
	Kind     string `json:"kind"`
	Name     string `json:"name,omitempty"`
	Pair     string `json:"pair"`
	Seq      uint64 `json:"seq"`
	Loop     uint32 `json:"loop"`
	Method   string `json:"method"`
	Target   string `json:"target"`
	Recorded string `json:"recorded,omitempty"`
	Received string `json:"received,omitempty"`
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	q := Quantiles{Count: h.TotalCount()}
	if q.Count == 0 {
		return q
	}
	at := h.ValueAtQuantile
	q.MeanNS, q.MinNS, q.MaxNS = int64(h.Mean()), h.Min(), h.Max()
	q.P50NS, q.P90NS, q.P95NS, q.P99NS, q.P999NS = at(50), at(90), at(95), at(99), at(99.9)
	// Nine points for each decimal digit of the rest, as far as there are values.
	for rest := 1.0; rest*float64(q.Count) >= 0.5 && len(q.Curve) < 60; rest /= 10 {
		for i := range 9 {
			share := 1 - rest*(1-float64(i)/10)
			q.Curve = append(q.Curve, Quantile{share, at(100 * share)})
		}
	}
	return q
}
