package quic

// Frame types that are looked into (RFC 9000, section 19).
const (
	framePadding       = 0x00
	frameAck           = 0x02
	frameAckECN        = 0x03
	frameReset         = 0x04
	frameStopSending   = 0x05
	frameCrypto        = 0x06
	frameNewToken      = 0x07
	frameStream        = 0x08 // to 0x0f
	frameStreamLast    = 0x0f
	frameNewID         = 0x18
	frameRetireID      = 0x19
	framePathChallenge = 0x1a
	framePathResponse  = 0x1b
	frameClose         = 0x1c
	frameCloseApp      = 0x1d
	frameDone          = 0x1e
	frameDatagram      = 0x30 // and 0x31 (RFC 9221)
	frameAckFrequency  = 0xaf // draft-ietf-quic-ack-frequency
)

// A frame is one frame of a packet, as far as it says something about streams.
type frame struct {
	typ  uint64
	id   uint64 // stream; of NEW_CONNECTION_ID the sequence number
	off  int64  // in the stream; of RESET_STREAM the final size
	data []byte // of STREAM and CRYPTO; of NEW_CONNECTION_ID the connection ID
	fin  bool
}

// reader takes integers off the front of b; once it runs short, bad stays set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) int() uint64 {
	v, n := Varint(r.b)
	if n == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// frames calls yield for each frame of a packet's plaintext. It reports whether all of b
// was frames that are known; what follows one that is not is passed over.
func frames(b []byte, yield func(f *frame)) bool {
	r := reader{b: b}
	var f frame
	for len(r.b) > 0 {
		if r.b[0] == framePadding {
			r.b = r.b[1:]
			continue
		}
		f = frame{typ: r.int()}
		if !r.frame(&f) || r.bad {
			return false
		}
		yield(&f)
	}
	return true
}

// frame reads the body of a frame.
func (r *reader) frame(f *frame) bool {
	switch {
	case f.typ >= frameStream && f.typ <= frameStreamLast:
		f.id = r.int()
		if f.typ&4 != 0 {
			f.off = int64(r.int())
		}
		size := uint64(len(r.b))
		if f.typ&2 != 0 {
			size = r.int()
		}
		f.data, f.fin = r.take(size), f.typ&1 != 0
		f.typ = frameStream
		return inStream(f.off, len(f.data))
	case f.typ == frameAckFrequency:
		r.int()
		r.int()
		r.int()
		r.int()
		return true
	}
	switch f.typ {
	case 1, 0x1f, frameDone: // PING, IMMEDIATE_ACK, HANDSHAKE_DONE
	case frameAck, frameAckECN:
		r.ack(f.typ == frameAckECN)
	case frameReset:
		f.id = r.int()
		r.int()
		f.off = int64(r.int())
	case frameStopSending, 0x11, 0x15: // MAX_STREAM_DATA, STREAM_DATA_BLOCKED
		f.id = r.int()
		r.int()
	case frameCrypto:
		f.off = int64(r.int())
		f.data = r.take(r.int())
		return inStream(f.off, len(f.data))
	case frameNewToken:
		r.take(r.int())
	case 0x10, 0x12, 0x13, 0x14, 0x16, 0x17, frameRetireID: // limits, and what is blocked by them
		r.int()
	case frameNewID:
		f.id = r.int()
		r.int()
		if n := r.take(1); n != nil && n[0] <= maxID {
			f.data = r.take(uint64(n[0]))
		} else {
			return false
		}
		r.take(16)
	case framePathChallenge, framePathResponse:
		r.take(8)
	case frameClose:
		r.int()
		r.int()
		r.take(r.int())
	case frameCloseApp:
		r.int()
		r.take(r.int())
	case frameDatagram:
		f.data, r.b = r.b, nil
	case frameDatagram | 1:
		f.data = r.take(r.int())
	default:
		return false
	}
	return true
}

// ack passes over an ACK (RFC 9000, section 19.3). Its count of ranges is bounded by
// the bytes that are there.
func (r *reader) ack(ecn bool) {
	r.int()
	r.int()
	n := r.int()
	r.int()
	for ; n > 0 && !r.bad; n-- {
		r.int()
		r.int()
	}
	if ecn {
		r.int()
		r.int()
		r.int()
	}
}

// inStream reports whether n bytes at off may stand in a stream (RFC 9000, section 4.5).
func inStream(off int64, n int) bool { return off >= 0 && off <= 1<<62-1-int64(n) }
