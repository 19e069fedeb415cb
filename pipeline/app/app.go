// Package app holds what all protocol parsers share: the interface they meet, the
// services of the worker that runs them, and the account of the bytes they took.
package app

import (
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A Parser reads one connection. One worker owns it, so it needs no locks.
type Parser interface {
	// Data hands over the next bytes in order; b is valid during the call only.
	Data(d exchange.Dir, at packet.Pos, b []byte)
	// Gap tells of n bytes that the capture does not hold; n < 0: unknown how many.
	Gap(d exchange.Dir, at packet.Pos, n int64, reason string)
	// Close tells that the sender of this direction has ended it.
	Close(d exchange.Dir, at packet.Pos)
	// End tells that nothing more will come: emit what is left.
	End(reason EndReason, at packet.Pos)
	// Tally accounts for every byte that Data got.
	Tally() Tally
	// Memory returns what the parser holds, bytes.
	Memory() int64
}

// A Disputer knows of which exchanges the bytes are that it got.
type Disputer interface {
	// Disputed notes what with the open exchanges that have some of the bytes between two
	// stream offsets of direction d, also where those are still to come. It appends the
	// ordinals of exchanges that are over to over; ok is false where it cannot tell.
	Disputed(d exchange.Dir, from, to int64, what *exchange.Anomalies, over []int32) (_ []int32, ok bool)
}

// EndReason says why a connection ended.
type EndReason uint8

// Reasons.
const (
	EndFIN EndReason = iota
	EndRST
	EndCapture // the capture is over
	EndReused  // a new connection took the ports
	EndEvicted // the memory limit
	EndIdle    // of a protocol without a sure end: nothing came for long
)

var endNames = [...]string{"fin", "rst", "end_of_capture", "reused", "evicted", "idle"}

func (r EndReason) String() string { return endNames[r] }

// AddOddities adds what is odd about the packet at at.
func AddOddities(a *exchange.Anomalies, at *packet.Pos) {
	if at.BadChecksum {
		a.Add(exchange.AnomalyBadChecksum)
	}
	if at.FragmentConflict {
		a.Add(exchange.AnomalyOverlapConflict)
	}
}

// Grown is about what n bytes take that were appended bit by bit. Accounts of memory go by
// what is held and not by capacities: those depend on who used the memory before, and so
// on how many workers there are.
func Grown(n int) int64 { return int64(n) + int64(n)/4 }

// Tally divides the bytes that a parser got.
type Tally struct {
	HTTP     int64 // inside HTTP messages
	Other    int64 // another protocol, such as what follows an upgrade
	Unparsed int64 // belongs to no message that could be made out
	TLS      int64 // under TLS, and not read
	// TLSOverhead is what TLS adds to data that was read: headers, tags, padding, the handshake.
	TLSOverhead int64
}

// Limits of parsing; see pipeline.Options.
type Limits struct {
	Body          int64 // stored of each body; < 0: nothing
	Head          int64
	Fields        int
	OpenExchanges int
	Decode        int64
	DecodeLayers  int
	ZstdWindow    int64
	Hash          bool
	DecodeBodies  bool
}

// Env is what the worker gives its parsers.
type Env struct {
	Limits Limits
	// Counting says that pairs are counted and seen by nobody: what says nothing of
	// their state, anomalies and what follows them need not be in them.
	Counting bool
	// NewPair returns an empty pair.
	NewPair func() *exchange.Pair
	// Emit takes over a finished pair of the connection.
	Emit func(c *exchange.Conn, p *exchange.Pair)
	// Message takes over a message of a streaming exchange; its payload is its own.
	Message func(m *exchange.StreamMessage)
	// Copy keeps b for as long as a pair that is emitted during this call of the parser.
	Copy func(b []byte) []byte
	// Buffers lends memory for bodies in progress.
	Buffers *coding.Buffers
	// Memo remembers bodies that came before.
	Memo *coding.Memo
	// Decoder undoes content codings.
	Decoder *coding.Decoder
	// Upgrade returns the parser that goes on behind a 101 response, nil for none.
	Upgrade func(env *Env, conn *exchange.Conn, u Upgrade) Parser
	// FileName names an input.
	FileName func(i int32) string
}

// TokenTLS is the Token of a CONNECT tunnel in which TLS begins; there is no Pair then.
const TokenTLS = "tls in connect"

// Upgrade is an HTTP/1 exchange that hands the connection over to another protocol.
type Upgrade struct {
	Token   string         // the protocol, lower case
	Pair    *exchange.Pair // valid during the call only
	Whole   bool           // its request is whole
	Ordinal int32          // of the next pair of the connection
}
