package replay

import "time"

// A Result is what a run leaves: the whole of replay.json but its reader's comfort.
// Times since the start of the run are nanoseconds, sizes bytes, rates per second.
type Result struct {
	Run     string    `json:"run"` // as in the markers, 8 hex digits
	Sources []string  `json:"sources,omitempty"`
	To      string    `json:"to"`
	Collect string    `json:"collect,omitempty"`
	Started time.Time `json:"started"`

	// Ended says why it ended: "source" (everything was sent), "for", "limit",
	// "interrupted" or "error".
	Ended string `json:"ended"`
	Error string `json:"error,omitempty"`

	// ElapsedNS is from the start to the last unit sent; TookNS includes what came
	// after: closing the target and waiting for the collector.
	ElapsedNS int64 `json:"elapsed_ns"`
	TookNS    int64 `json:"took_ns"`

	// OfPackets says that captured packets were sent (--packets), not pairs.
	OfPackets bool         `json:"of_packets,omitempty"`
	Rate      RateResult   `json:"rate"`
	Sent      Amount       `json:"sent"`
	Schedule  ScheduleStat `json:"schedule"`
	Timing    Timing       `json:"timing"`
	Series    Series       `json:"series"`
	Ledger    LedgerReport `json:"ledger"`
	Hops      []Hop        `json:"hops"`
	// Counters are those of the target, by name: syscalls, retries, …
	Counters map[string]int64 `json:"counters"`
	// Failures tells of units that did not leave, by hop and cause, most frequent first.
	Failures []Failure `json:"failures,omitempty"`
	Verdict  Verdict   `json:"verdict"`
	// Search is set by --find-rate; the rest is then of the last trial at its rate.
	Search *Search `json:"search,omitempty"`
	// Target is what the target itself found ([Reporter]).
	Target any `json:"target,omitempty"`
}

// RateResult holds what was asked for against what was achieved.
type RateResult struct {
	Asked string `json:"asked"` // as given: "1.5gbps", "original"
	// AskedPerSecond is in the unit of the rate (bits, packets, pairs), 0 where the
	// rate has none; Achieved is the same quantity as measured.
	Unit           string  `json:"unit,omitempty"`
	AskedPerSecond float64 `json:"asked_per_second,omitempty"`
	Achieved       float64 `json:"achieved_per_second,omitempty"`
	// Error is achieved against asked: 0.001 is 0.1 % too fast. For original timing and
	// its multiples it compares durations.
	Error float64 `json:"error"`

	PairsPerSecond   float64 `json:"pairs_per_second"`
	PacketsPerSecond float64 `json:"packets_per_second,omitempty"`
	// Bits per second at each level, 0 where the target has no such level. L1 counts
	// preamble, frame check sequence and gap (24 bytes a frame), L2 the frames, Inner
	// the frames inside the tunnel, HTTP heads and bodies.
	L1    float64 `json:"l1_bits_per_second,omitempty"`
	L2    float64 `json:"l2_bits_per_second,omitempty"`
	Inner float64 `json:"inner_bits_per_second,omitempty"`
	HTTP  float64 `json:"http_bits_per_second,omitempty"`
}

// Names of counters (see [Env.Count]) that the core itself makes use of.
const (
	CountL2    = "l2_bytes"    // frames as they leave, without FCS
	CountInner = "inner_bytes" // frames inside the tunnel
	// CountSegmented is of sends that the kernel or the card divides into packets.
	CountSegmented = "segmented_sends"
	CountHTTP      = "http_bytes" // heads and bodies
	CountSyscalls  = "syscalls"
)

// Hops of a pair, in order; targets name them in [Env.Failed].
const (
	HopScheduled = "scheduled" // taken from the source
	HopBuilt     = "built"     // turned into what the target sends
	HopAccepted  = "accepted"  // by the kernel, or by the peer that answers for it
	HopInterface = "interface" // counters of the interface it leaves by
	HopTarget    = "target"    // counters of the target's interface, when on this host
	HopSocket    = "socket"    // what the target's UDP sockets dropped, when on this host
	HopCollector = "collector" // came out of the ingestor
)

// ScheduleStat says what became of the pairs of the source, over all loops.
type ScheduleStat struct {
	Read  uint64 `json:"read"`  // pairs that the source gave
	Loops uint64 `json:"loops"` // passes begun
	// LeftOut counts pairs that were not scheduled, by reason.
	LeftOut map[string]uint64 `json:"left_out"`
	// Late pairs stood further back in the source than the read-ahead reaches: they
	// were sent behind pairs of later times.
	Late uint64 `json:"late"`
	// Moved pairs gave way to the order of their connection; NoTime have no time of
	// their own and follow the pair before.
	Moved  uint64 `json:"moved"`
	NoTime uint64 `json:"no_time"`
	// SpanNS is from the first request to the last at original speed, of one pass.
	SpanNS int64 `json:"span_ns"`
	// Cached says that passes after the first came out of memory.
	Cached bool `json:"cached"`
	// StarvedNS is how long pairs that were due waited for the source to give them.
	StarvedNS int64 `json:"starved_ns"`
	// HeldNS is how long the sender waited because the collector asked it to, which it
	// does at the rate max only; see [Holder].
	HeldNS int64 `json:"held_ns"`
}

// Timing is how late units left against their deadlines.
type Timing struct {
	Units uint64 `json:"units"` // that had a deadline
	// Late units left more than LateAfterNS behind their deadline.
	Late        uint64 `json:"late"`
	LateAfterNS int64  `json:"late_after_ns"`

	MeanNS int64 `json:"mean_ns"`
	P50NS  int64 `json:"p50_ns"`
	P90NS  int64 `json:"p90_ns"`
	P99NS  int64 `json:"p99_ns"`
	P999NS int64 `json:"p999_ns"`
	MaxNS  int64 `json:"max_ns"`
	// Histogram holds the distribution: bars with upper bounds, none of them empty.
	Histogram []Bar `json:"histogram"`
	// SleepErrorNS is how much too long a short sleep lasted on this host, as measured
	// before the run; the rest of each wait was spun.
	SleepErrorNS int64 `json:"sleep_error_ns"`
}

// A Bar counts values from FromNS up to ToNS.
type Bar struct {
	FromNS int64 `json:"from_ns"`
	ToNS   int64 `json:"to_ns"`
	Count  int64 `json:"count"`
}

// Series is the run in steps of equal length.
type Series struct {
	StepNS int64  `json:"step_ns"`
	Steps  []Step `json:"steps"`
}

// A Step is one step of the run; sums are of this step alone.
type Step struct {
	AtNS    int64  `json:"at_ns"` // its beginning, since the start
	Pairs   uint64 `json:"pairs"` // noted as sent
	Failed  uint64 `json:"failed"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Late    uint64 `json:"late"`
	// ErrorP99NS and ErrorMaxNS are of the deadline error.
	ErrorP99NS int64 `json:"error_p99_ns"`
	ErrorMaxNS int64 `json:"error_max_ns"`
	// Seen and Lost belong to pairs sent in this step, whenever they came out.
	Seen uint64 `json:"seen"`
	Lost uint64 `json:"lost"`
	// DelayP50NS and DelayMaxNS are the time from sending to coming out, of the pairs
	// that came out in this step; 0 without a collector.
	DelayP50NS int64 `json:"delay_p50_ns"`
	DelayMaxNS int64 `json:"delay_max_ns"`
}

// LedgerReport holds what was sent against what was seen. Without a collector
// Collected is false, and what depends on it is 0.
type LedgerReport struct {
	Scheduled uint64 `json:"scheduled"`
	Sent      uint64 `json:"sent"`
	// LeftOut pairs were scheduled, but the target has a rule against sending them:
	// LeftOutBy counts them by reason. What was not scheduled is in [ScheduleStat].
	LeftOut   uint64            `json:"left_out"`
	LeftOutBy map[string]uint64 `json:"left_out_by,omitempty"`
	Failed    uint64            `json:"failed"`
	// Unsent pairs were scheduled when the run was stopped: none of the above.
	Unsent uint64 `json:"unsent"`

	Collected bool `json:"collected"`
	// ByCount says that there were no markers: Seen and Lost compare numbers only.
	ByCount bool `json:"by_count,omitempty"`
	// CountOnly says that packets were sent, not pairs: what came out is in Observations
	// and Unexpected, and nobody knows what was lost.
	CountOnly bool `json:"count_only,omitempty"`
	// Seen counts different pairs of Sent, Lost the rest of Sent. A pair that was not
	// noted as sent and came out nevertheless is in Unexpected.
	Seen       uint64 `json:"seen"`
	Lost       uint64 `json:"lost"`
	Unexpected uint64 `json:"unexpected"`
	// Duplicated counts every observation of a pair after its first.
	Duplicated uint64 `json:"duplicated"`
	// Mispaired counts observations whose request and response belong to different pairs.
	Mispaired uint64 `json:"mispaired"`
	// Truncated pairs came out with less of a body than was sent.
	Truncated uint64 `json:"truncated"`
	// Half pairs came out with a marker in one of their messages only.
	Half uint64 `json:"half"`
	// Late pairs came out more than LateAfterNS after they were due.
	Late        uint64 `json:"late"`
	LateAfterNS int64  `json:"late_after_ns"`

	// Observations of the collector, and those among them that belong to no pair of
	// this run: without a marker, with a damaged one, of another run.
	Observations uint64 `json:"observations"`
	Unmarked     uint64 `json:"unmarked"`
	BadMarker    uint64 `json:"bad_marker"`
	OtherRun     uint64 `json:"other_run"`
	// Unsized observations could not be tested for truncation.
	Unsized uint64 `json:"unsized"`

	Delay Timing `json:"delay"` // from due to seen; Late and Units as above

	// Some of each, in order, at most MaxIDs.
	LostIDs       []PairID `json:"lost_ids,omitempty"`
	FailedIDs     []PairID `json:"failed_ids,omitempty"`
	LeftOutIDs    []PairID `json:"left_out_ids,omitempty"`
	DuplicatedIDs []PairID `json:"duplicated_ids,omitempty"`
	MispairedIDs  []PairID `json:"mispaired_ids,omitempty"`
	TruncatedIDs  []PairID `json:"truncated_ids,omitempty"`
	LateIDs       []PairID `json:"late_ids,omitempty"`
}

// MaxIDs bounds each list of ids in a report.
const MaxIDs = 1000

// A PairID names an event of the run, and the pair of the source it was made of where
// that is still known.
type PairID struct {
	Seq  uint64 `json:"seq"`
	Loop uint32 `json:"loop"`
	ID   string `json:"id,omitempty"`
}

// A Hop is a place that pairs or packets pass, with what was counted there. Absent
// figures are nil.
type Hop struct {
	Name    string  `json:"name"`
	Where   string  `json:"where,omitempty"` // "eth0", the collector's URL
	Pairs   *uint64 `json:"pairs,omitempty"`
	Packets *uint64 `json:"packets,omitempty"`
	Bytes   *uint64 `json:"bytes,omitempty"`
	Dropped *uint64 `json:"dropped,omitempty"` // as the hop itself says, in Packets (Pairs where it has none)
	// Lost is how much less than at the hop before arrived, in pairs or else packets;
	// nil where the two cannot be compared.
	Lost *int64 `json:"lost,omitempty"`
	Note string `json:"note,omitempty"`
}

// A Failure counts units that did not leave for one cause.
type Failure struct {
	Hop   string `json:"hop"`
	Error string `json:"error"`
	Pairs uint64 `json:"pairs"`
}

// Verdict says whether the run met its limits.
type Verdict struct {
	// OK says that nothing is known to be wrong; State is what that means.
	OK     bool          `json:"ok"`
	State  string        `json:"state"`
	Limits []LimitResult `json:"limits,omitempty"` // those asked for with --fail-if
	Reason string        `json:"reason"`           // one line for people
}

// States of a [Verdict].
const (
	VerdictOK          = "ok"          // all limits were met; without any: all that was sent came out
	VerdictSent        = "sent"        // all was sent, and nobody looked whether it arrived
	VerdictMissed      = "missed"      // a limit was missed, or no rate found
	VerdictFailed      = "failed"      // some was not sent, or lost or spoilt with no limit to say how much may be
	VerdictInterrupted = "interrupted" // true for what was sent until then
)

// A LimitResult is one limit held against the run.
type LimitResult struct {
	Limit  string  `json:"limit"`
	Value  float64 `json:"value"` // in the limit's unit: a count, a percentage, seconds
	Missed bool    `json:"missed"`
	// Unknown limits could not be tested, for example loss without a collector: they
	// count as missed.
	Unknown bool `json:"unknown,omitempty"`
}

// A Search is the course of --find-rate.
type Search struct {
	Limit  string  `json:"limit"` // "loss=0"
	Trials []Trial `json:"trials"`
	// Found is false where even the lowest rate failed, or the search was stopped.
	Found          bool    `json:"found"`
	Rate           string  `json:"rate,omitempty"` // the highest that held, as --rate takes it
	BitsPerSecond  float64 `json:"bits_per_second,omitempty"`
	PairsPerSecond float64 `json:"pairs_per_second,omitempty"`
	// SenderBound says that the sender, not the ingestor, was the limit.
	SenderBound bool `json:"sender_bound"`
}

// A Trial is one short run of a search.
type Trial struct {
	Rate           string  `json:"rate"`
	Purpose        string  `json:"purpose"` // "double", "bisect", "confirm"
	Sent           uint64  `json:"sent"`
	Lost           uint64  `json:"lost"`
	Loss           float64 `json:"loss"` // a share, 0 to 1
	BitsPerSecond  float64 `json:"bits_per_second"`
	PairsPerSecond float64 `json:"pairs_per_second"`
	OK             bool    `json:"ok"`
	Why            string  `json:"why,omitempty"` // where it is not OK
	// SenderBound says that the sender did not reach the rate: nothing is known of the
	// ingestor then.
	SenderBound bool `json:"sender_bound,omitempty"`
	// Uneven says that pairs were lost while the sender caught up with its deadlines: the
	// rate is tried again before it counts as too high.
	Uneven bool `json:"uneven,omitempty"`
}

// A Snapshot is a run at one moment, for a live line and for metrics.
type Snapshot struct {
	Elapsed   time.Duration
	Behind    time.Duration // how late the unit sent last has left
	Scheduled uint64
	Sent      Amount // Pairs are those noted as sent
	Failed    uint64
	Late      uint64
	Loop      uint64
	// Observations, Seen, Duplicated, Mispaired and Truncated are of the collector.
	Observations, Seen, Duplicated, Mispaired, Truncated uint64
	Collecting                                           bool
	Phase                                                string // "starting", "sending", "closing", "collecting", "done"
	Trial                                                string // the rate under test with --find-rate
}
