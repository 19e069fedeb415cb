package pipeline

import (
	"sync/atomic"

	"recap/pipeline/bpf"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
)

// Options of Run. The zero value works and is bounded: every limit that is 0
// stands for its default.
type Options struct {
	Workers int // shards of flows worked on side by side; 0: one per processor

	Mem            int64 // memory for all state, bytes; 1 GiB
	BodyLimit      int64 // bytes of each body kept in Pair.Body; 16 MiB; -1: none are kept
	HeadLimit      int64 // bytes of each head kept; 1 MiB
	HeaderFields   int   // header fields kept of each message; 10,000
	OutOfOrder     int64 // span of out-of-order data per direction, bytes; 64 MiB
	OpenExchanges  int   // requests waiting for responses per connection; 10,000
	DecodeLimit    int64 // bytes that content decoding may give for one body; 64 MiB
	DecodeLayers   int   // stacked content codings; 4
	ZstdWindow     int64 // 8 MiB
	FragmentMemory int64 // IP fragments waiting for the rest, bytes; 64 MiB
	Depth          int   // layers of encapsulation; 16

	Overlap     string              // policy for overlapping TCP data: "first" (default), "last"
	TunnelPorts map[string][]uint16 // added to the well-known ones: "vxlan": {8472}

	// Keys opens TLS connections, beside what the capture itself brings; may be nil.
	// Secrets go into no output.
	Keys *tls.Keys

	// Filter leaves out packets that it does not match, as if the capture did not hold
	// them; nil leaves out none.
	Filter *bpf.Filter

	// MergeTunnels takes connections that differ in their tunnels only for one.
	MergeTunnels bool

	// SplitTunnels leaves connections that differ in their tunnels apart, also where
	// they are copies of one conversation.
	SplitTunnels bool

	// VerifyChecksums looks for bad TCP checksums; packets that have one are flagged
	// and used. It reads every payload byte.
	VerifyChecksums bool
	// HashBodies makes Message.BodySHA256; off for a reading that only counts.
	HashBodies bool
	// DecodeBodies undoes content codings; off for a reading that only counts.
	DecodeBodies bool

	// Prompt gives pairs out when they are complete. Otherwise they rest for a second of
	// capture time or a few MiB of capture, so that what comes behind them and contradicts
	// them can be noted with them.
	Prompt bool
	// CountPairs counts pairs and gives none out, for a reading that nobody takes them
	// from. Connections and messages are given out.
	CountPairs bool

	// Reuse is for several calls with the same limits of bodies and decoding, which then
	// take over memory and what was decoded before; may be nil.
	Reuse *Reuse

	Progress *Progress // counters to watch while Run works; may be nil
}

// Progress counts what Run has done so far; safe to read at any time.
type Progress struct {
	Packets atomic.Int64
	Bytes   atomic.Int64 // captured bytes
	Pairs   atomic.Int64
}

// Stats is what Run found, beside the pairs.
type Stats struct {
	Ledger    exchange.Ledger
	Pairs     int64
	States    map[string]int64 // pairs by state
	Protocols map[string]int64 // connections by protocol
	Anomalies map[string]int64 // pairs and connections by anomaly
	Flows     int64
	FirstNS   int64 // capture time range; exchange.NoTime if none
	LastNS    int64
	Tunnels   []TunnelCount
	// Incomplete is true when something was lost to damage in a stream or a
	// limit was met: exit code 3.
	Incomplete bool
	// Reasons says why, sorted: "gap", "body_limit", "evicted", ….
	Reasons map[string]int64
	Health  Health
}

// TunnelCount is a tunnel stack and the TCP packets seen in it.
type TunnelCount struct {
	Tunnels []exchange.Tunnel
	Packets int64
}
