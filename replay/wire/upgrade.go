package wire

import (
	"encoding/binary"
	"strconv"
	"strings"

	"recap/pipeline/exchange"
	"recap/replay"
)

// An upgrade to HTTP/2 over cleartext (RFC 7540, section 3.2) is two pairs of the source:
// the request with its 101, and the same request with the response on stream 1. Both go
// on one connection, with one request: HTTP/1.1 up to the 101, frames behind it. What
// else the connection carried is sent as HTTP/1.1 on others.

// A Joiner is a [replay.Env] that wants to know of pairs that share a request.
type Joiner interface {
	// Joined says that the response of an event goes out to the request of another one,
	// whose marker is that of the request.
	Joined(response, request uint64)
}

// maxUpgrades bounds the first halves that wait for their second.
const maxUpgrades = 4096

// upgradesToHTTP2 reports whether p is the 101 of an upgrade to HTTP/2.
func upgradesToHTTP2(p *exchange.Pair) bool {
	return p.Response.Status == 101 && upgrades(&p.Response.Message, "h2c")
}

// upgraded reports whether p is the exchange whose request was an upgrade.
func upgraded(p *exchange.Pair) bool {
	return p.Response.Version == "HTTP/2" && strings.HasPrefix(p.Request.Version, "HTTP/1.")
}

// upgrade takes in an event that is half of an upgrade, and reports whether it was one.
func (t *Target) upgrade(e *replay.Event) bool {
	p := e.Pair
	if p.Conn == nil || p.Response.Status != 101 && !upgraded(p) {
		return false
	}
	key := convKey{p.Conn.ID, e.Loop}
	switch err := whole(p); {
	case err == ErrUpgrade:
		if len(t.upgrades) == maxUpgrades {
			t.leaveUpgrades()
		}
		if old, ok := t.upgrades[key]; ok {
			t.env.LeftOut(old.Seq, reasonOf(ErrUpgrade))
		}
		t.upgrades[key] = *e
		return true
	case err != nil || !upgraded(p):
		return false
	}
	first, ok := t.upgrades[key]
	if !ok || first.Pair.Request.Target != p.Request.Target {
		return false
	}
	delete(t.upgrades, key)
	if j, ok := t.env.(Joiner); ok {
		j.Joined(e.Seq, first.Seq)
	}
	t.switchOver(&first, e)
	return true
}

// leaveUpgrades leaves out the first halves whose second has not come.
func (t *Target) leaveUpgrades() {
	for _, e := range t.upgrades {
		t.env.LeftOut(e.Seq, reasonOf(ErrUpgrade))
	}
	clear(t.upgrades)
}

// switchOver puts both halves of an upgrade onto a connection of their own. The client
// goes on in frames when it has the 101, not before (RFC 7540, section 3.2).
func (t *Target) switchOver(first, second *replay.Event) {
	l := t.laneFor(first, true)
	x := t.newTalk()
	x.event = *first
	w := &t.write
	w.buf, w.coded = x.buf[:0], first.Body
	x.msgs[exchange.ToServer], _ = w.request(first.Pair)
	x.msgs[exchange.ToClient], _ = w.response(first.Pair)
	w.behind(&x.msgs[exchange.ToClient], func() { w.frame(frameSettings, 0, 0, 0) })
	x.buf, w.buf = w.buf, nil
	t.enter(x, l)
	l.reqEnd = max(l.reqEnd, l.respEnd)

	x = t.newTalk()
	x.event = *second
	w.buf, w.coded = x.buf[:0], second.Body
	x.msgs[exchange.ToServer] = w.preface()
	x.msgs[exchange.ToClient] = w.stream(second.Pair)
	x.buf, w.buf = w.buf, nil
	t.enter(x, l)
	l.ending = true
}

// Frames (RFC 9113, section 6).
const (
	frameData         = 0
	frameHeaders      = 1
	frameSettings     = 4
	frameWindowUpdate = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAckFrame   = 1
	flagEndHeaders = 4

	frameHead    = 9     // bytes (section 4.1)
	maxFrameSize = 16384 // what every receiver takes (section 4.2)
	maxWindow    = 1<<31 - 1
	firstWindow  = 65535 // of a connection (section 6.9.2)
	windowID     = 4     // SETTINGS_INITIAL_WINDOW_SIZE
)

// frame appends the head of a frame with n bytes of payload.
func (w *writer) frame(kind, flags byte, stream uint32, n int) {
	w.buf = append(w.buf, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	w.buf = binary.BigEndian.AppendUint32(w.buf, stream)
}

// behind appends to the tail of m, which must stand last in the buffer.
func (w *writer) behind(m *message, add func()) {
	add()
	m.size += len(w.buf) - m.tail.to
	m.tail.to = len(w.buf)
}

// written makes a message of what was appended since from.
func (w *writer) written(from int) (m message) {
	m.head = span{from, len(w.buf)}
	m.tail = span{len(w.buf), len(w.buf)}
	m.size = len(w.buf) - from
	return m
}

// preface appends what the client says when it has the 101 (RFC 9113, section 3.4): its
// settings, room for bodies of any size, and that it has the server's settings.
func (w *writer) preface() message {
	from := len(w.buf)
	w.text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	w.frame(frameSettings, 0, 0, 6)
	w.buf = binary.BigEndian.AppendUint16(w.buf, windowID)
	w.buf = binary.BigEndian.AppendUint32(w.buf, maxWindow)
	w.frame(frameWindowUpdate, 0, 0, 4)
	w.buf = binary.BigEndian.AppendUint32(w.buf, maxWindow-firstWindow)
	w.frame(frameSettings, flagAckFrame, 0, 0)
	return w.written(from)
}

// stream appends the response of p on stream 1, which the upgrade has opened, body and all.
func (w *writer) stream(p *exchange.Pair) message {
	r := &p.Response
	from, mark := len(w.buf), 0
	w.frame(frameSettings, flagAckFrame, 0, 0)
	if w.early {
		for i := range r.Interim {
			block := appendStatus(nil, r.Interim[i].Status)
			for _, f := range r.Interim[i].Headers {
				block = appendField(block, f.Name, f.Value)
			}
			w.block(block, 0)
		}
	}
	h, body := w.begin(&r.Message, exchange.ToClient)
	if p.Request.Method == "HEAD" || r.Status == 204 || r.Status == 304 {
		body = nil
	}
	block := appendStatus(nil, r.Status)
	if len(w.marker) > 0 {
		// At the front, where no border of frames can divide it.
		block = appendField(block, strings.ToLower(replay.MarkerHeader), string(w.marker))
		mark = len(block) - len(w.marker)
	}
	for _, f := range h.list {
		switch {
		case strings.HasPrefix(f.Name, ":"), is(f.Name, replay.MarkerHeader):
		case is(f.Name, "content-encoding") && !h.coded && len(body) > 0:
		case is(f.Name, "content-length") && len(body) > 0:
			block = appendField(block, "content-length", strconv.Itoa(len(body)))
		default:
			block = appendField(block, strings.ToLower(f.Name), f.Value)
		}
	}
	at := w.block(block, last(len(body) == 0 && len(r.Trailers) == 0))
	for len(body) > 0 {
		n := min(len(body), maxFrameSize)
		w.frame(frameData, last(n == len(body) && len(r.Trailers) == 0), 1, n)
		w.buf = append(w.buf, body[:n]...)
		body = body[n:]
	}
	if len(r.Trailers) > 0 {
		block = nil
		for _, f := range r.Trailers {
			block = appendField(block, strings.ToLower(f.Name), f.Value)
		}
		w.block(block, flagEndStream)
	}
	m := w.written(from)
	if mark > 0 {
		m.mark = at + mark
	}
	return m
}

// last is the flag of a frame behind which its stream holds nothing.
func last(ends bool) byte {
	if ends {
		return flagEndStream
	}
	return 0
}

// block appends a field block on stream 1. What the first frame holds of it stands at at.
func (w *writer) block(block []byte, flags byte) (at int) {
	at = len(w.buf) + frameHead
	kind := byte(frameHeaders)
	for first := true; first || len(block) > 0; first = false {
		n := min(len(block), maxFrameSize)
		if n == len(block) {
			flags |= flagEndHeaders
		}
		w.frame(kind, flags, 1, n)
		w.buf = append(w.buf, block[:n]...)
		block, kind, flags = block[n:], frameContinuation, 0
	}
	return at
}

// appendField appends a literal field without indexing (RFC 7541, section 6.2.2), and
// without Huffman coding, so that a marker in it can be written anew.
func appendField(b []byte, name, value string) []byte {
	return appendText(appendText(append(b, 0), name), value)
}

// appendStatus appends :status, whose name is the eighth of the static table (appendix A).
func appendStatus(b []byte, status int32) []byte {
	return appendText(append(b, 8), strconv.Itoa(int(status)))
}

// appendText appends a string literal (RFC 7541, sections 5.1 and 5.2).
func appendText(b []byte, s string) []byte {
	const prefix = 127
	if len(s) < prefix {
		b = append(b, byte(len(s)))
	} else {
		b = binary.AppendUvarint(append(b, prefix), uint64(len(s)-prefix))
	}
	return append(b, s...)
}
