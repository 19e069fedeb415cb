// Package wire turns pairs into the packets that a network would have carried: one TCP
// connection for each connection of the capture, with handshake, segments,
// acknowledgements and an end by FIN, in the order and at the times of the pairs.
//
//	events → exchanges in a heap by time → plan of a burst → Wait → frames → Port
//
// A [Port] takes the frames: [recap/replay/vxlan], [recap/replay/file] and
// [recap/replay/iface] are its implementations.
//
// What is sent is made for readers of mirrored traffic. A message keeps its head as it
// was, but for the fields that frame its body: what is stored is decoded, so it is coded
// again as its Content-Encoding says, and the length is that of the result; a coding that
// cannot be written is gone. An answer to HEAD loses its Content-Length and ends its connection,
// because a reader that does not know the request takes what follows for its body.
// HTTP/2 and HTTP/3 become HTTP/1.1, with as many connections as exchanges overlap.
package wire

import (
	"context"
	"errors"
	"time"

	"recap/replay"
)

// A Route says which way a frame goes, and when it belongs there.
type Route struct {
	Hash uint64 // of the conversation, both directions alike
	VNI  uint32
	At   time.Duration // at original speed, since the first request of the run
	Made bool          // of a frame that was made here, and is valid, not of a captured one
}

// A Port sends frames. One goroutine calls it.
type Port interface {
	// Frame returns room for a frame of n bytes, to be filled before the next call.
	// tag comes back where it could not be sent.
	Frame(r *Route, n int, tag int32) []byte
	// Flush sends the frames since the last call, those of one hash in order. It calls
	// failed for each that is given up. An error ends the run.
	Flush(ctx context.Context, failed func(tag int32, err error)) error
	// MTU is the size of the largest IP packet that fits a frame, bytes.
	MTU() int
	// Around is what is added to a frame on its way, from the outer Ethernet header on.
	Around() int
	Close() error
}

// An Epocher is a Port that wants to know the capture time of the run's beginning,
// nanoseconds since 1970, before its first frame.
type Epocher interface{ Epoch(ns int64) }

// Options of a Target. The zero value works.
type Options struct {
	// MSS is how many payload bytes a segment has, at most what fits the port.
	MSS int
	// FirstVNI and LastVNI are the networks that connections are spread over.
	FirstVNI, LastVNI uint32
	// Idle ends a connection on which nothing happened for so long at original speed; 4 s.
	// Ingestors give up silent connections after 5 s.
	Idle time.Duration
	// AckEvery is how many segments of one direction the other acknowledges; 40.
	AckEvery int
	// Incomplete sends also pairs that are not whole, as far as they are there, each on
	// a connection of its own. Else they are left out, and counted by reason.
	Incomplete bool
	// MaxOpen bounds the exchanges that wait for the time of their response, and MaxHeld
	// their bytes; 100,000 and 256 MiB. At a bound the earliest are sent before their time.
	MaxOpen int
	MaxHeld int64
	// MaxConns bounds the open connections; 65,536. The one unused for longest is ended.
	MaxConns int
	// Oversize says what becomes of captured packets that do not fit (--packets).
	Oversize Oversize
	// Decoded sends bodies without their content coding, and without the field that names it.
	Decoded bool
	// Interim sends 1xx responses, right before the final one. Without, they are left
	// out and counted: readers such as net/http's ReadResponse take one for the
	// response, and every pair behind it on the connection for another.
	Interim bool
	// Upgrade sends the 101 of an upgrade to HTTP/2, with its exchange in frames behind
	// it. Without, the exchange is sent as HTTP/1.1, as all of HTTP/2 is, and the 101 is
	// left out: readers that know HTTP/1.1 only lose both.
	Upgrade bool
	// Timestamps gives every segment the option of RFC 7323, with clocks of 1 ms that go
	// at original speed. Full segments carry 12 bytes less then.
	Timestamps bool
}

// Oversize is what becomes of a captured packet that is larger than the port can send.
type Oversize uint8

// A packet is left out and counted, or cut to what fits, as mirrors do.
const (
	LeaveOut Oversize = iota
	Cut
)

func (o *Options) defaults(p Port) {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if o.Idle <= 0 {
		o.Idle = 4 * time.Second
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = 256 << 20
	}
	set(&o.AckEvery, 40)
	set(&o.MaxOpen, 100_000)
	set(&o.MaxConns, 1<<16)
	set(&o.MSS, p.MTU())
	o.LastVNI = max(o.LastVNI, o.FirstVNI)
}

// mss returns the payload of a full segment.
func (o *Options) mss(mtu int, v6 bool) int {
	return max(1, min(o.MSS, mtu-headLen(v6, o.Timestamps)+etherLen))
}

// What can be wrong with a pair.
var (
	ErrNoRequest  = errors.New("the capture does not hold the request")
	ErrNoResponse = errors.New("the capture does not hold a response")
	ErrNotWhole   = errors.New("a message is not whole in the capture")
	ErrNotStored  = errors.New("a body was not stored whole")
	// ErrUpgrade is for the 101 of an upgrade to HTTP/2, behind which a reader would wait
	// for frames. The exchange itself is a pair of its own; without [Options.Upgrade] it
	// is sent as HTTP/1.1.
	ErrUpgrade = errors.New("an upgrade to HTTP/2 is not made: its exchanges are sent as HTTP/1.1")
)

// reasonOf names why a pair is left out, as reports count it.
func reasonOf(err error) string {
	switch err {
	case ErrNoRequest:
		return replay.LeftNoRequest
	case ErrNoResponse:
		return replay.LeftNoResponse
	case ErrNotStored:
		return "body_not_stored"
	case ErrUpgrade:
		return "upgrade_to_http2"
	case ErrHead:
		return "head_not_lines"
	}
	return replay.LeftPartial
}
