package exchange

// Flow is one row of flows.parquet: a TCP connection, HTTP or not, or one of QUIC.
type Flow struct {
	Conn     *Conn
	Protocol string // "http/1", "tls", "quic", "ssh", …, "unknown"
	// Why there are no pairs; empty where there are.
	NoPairs     string
	CloseReason string // "fin", "rst", "end_of_capture", "reused", "evicted", …
	Continues   ID     // connection this one continues after an eviction; zero if none
	FirstNS     int64
	LastNS      int64
	FirstPacket int64
	LastPacket  int64
	Handshake   bool // SYN seen; of QUIC, Initial packets of both sides
	Anomalies   Anomalies
	Pairs       int64
	Vantages    []Vantage
	Sides       [2]FlowSide // by Dir
	// Completed orders rows, as Pair.Completed does.
	Completed int64
}

// FlowSide is one direction of a Flow.
type FlowSide struct {
	Packets          int64
	Bytes            int64 // payload bytes seen, duplicates included
	StreamBytes      int64 // payload bytes delivered in order
	GapBytes         int64 // bytes that the capture does not hold
	Gaps             int64
	Retransmissions  int64
	RetransmitBytes  int64
	OutOfOrder       int64
	ConflictBytes    int64
	DiscardedBytes   int64
	TruncatedPackets int64
	WireBytes        int64 // length of the packets on the wire, whole frames
	Conflicts        []Conflict
}

// Conflict is a place in a stream of which the capture holds two different copies.
type Conflict struct {
	Offset int64  // of the first byte that differs, in the stream
	Packet int64  // that carried the second copy
	First  []byte // what counted, and what came second: the beginnings, at most MaxConflictBytes
	Second []byte
}

// Bounds of FlowSide.Conflicts; ConflictBytes counts all.
const (
	MaxConflicts     = 16
	MaxConflictBytes = 1024
)
