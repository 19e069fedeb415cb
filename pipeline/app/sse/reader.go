// Package sse reads server-sent events out of the body of a text/event-stream response
// (HTML standard, section 9.2.6, "Interpreting an event stream"). It works on slices
// as they come, at any split.
package sse

import (
	"bytes"
	"strconv"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// field is what a line sets.
type field uint8

const (
	unknown field = iota // also a comment
	isData
	isEvent
	isID
	isRetry
)

// Reader reads one stream.
type Reader struct {
	env     *app.Env
	conn    *exchange.Conn
	pair    exchange.ID
	ordinal int64
	mark    int    // bytes of a byte order mark at the beginning of the stream; 3 when that is over
	last    string // id of the last event that had one
	wait    int64  // reconnection time that was set since the last event, ms; -1 for none

	// The line.
	name  []byte // of the field, until it is known
	named bool   // the name has ended
	any   bool   // the line has bytes
	begun bool   // the value has begun: a space before it is no part of it
	over  bool   // value is not all of it
	cr    bool   // the line before ended in CR: an LF belongs to it
	skip  bool   // its beginning is missing
	field field
	value []byte // of a field other than data

	// The event.
	lines     int // of data
	typ       string
	store     coding.Store
	size      int64 // in the stream, bytes
	partial   bool
	anomalies exchange.Anomalies
}

// maxValue bounds a field other than data, bytes.
const maxValue = 4 << 10

// byteOrderMark is what a stream may begin with.
const byteOrderMark = "\xef\xbb\xbf"

// NewReader returns a reader of the response of a pair.
func NewReader(env *app.Env, conn *exchange.Conn, pair exchange.ID) *Reader {
	r := &Reader{env: env, conn: conn, pair: pair, wait: -1}
	r.empty()
	return r
}

// Memory returns about what the reader holds, bytes.
func (r *Reader) Memory() int64 {
	n := len(r.store.Data)
	return 512 + int64(n) + int64(n)/4 + int64(len(r.value)+len(r.typ)+len(r.last))
}

// Data takes the next bytes of the body, decoded; b is valid during the call only.
func (r *Reader) Data(at packet.Pos, b []byte) {
	for r.mark < len(byteOrderMark) && len(b) > 0 {
		if b[0] != byteOrderMark[r.mark] {
			n := r.mark
			r.mark = len(byteOrderMark)
			r.size = 0
			r.text(at, []byte(byteOrderMark[:n]))
			break
		}
		r.mark++
		r.size++
		b = b[1:]
	}
	r.text(at, b)
}

// text takes bytes behind the mark.
func (r *Reader) text(at packet.Pos, b []byte) {
	for len(b) > 0 {
		if r.cr {
			r.cr = false
			if b[0] == '\n' {
				b = b[1:]
				r.size++
				continue
			}
		}
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			r.part(b)
			return
		}
		r.part(b[:i])
		r.cr = b[i] == '\r'
		r.size++
		r.line(at)
		b = b[i+1:]
	}
}

// part takes bytes of a line.
func (r *Reader) part(b []byte) {
	if len(b) == 0 {
		return
	}
	r.any = true
	r.size += int64(len(b))
	if r.skip {
		return
	}
	if !r.named {
		i := bytes.IndexByte(b, ':')
		name := b
		if i >= 0 {
			name = b[:i]
		}
		const longest = len("event")
		r.name = append(r.name, name[:min(len(name), longest+1-len(r.name))]...)
		if i < 0 {
			return
		}
		r.know()
		b = b[i+1:]
	}
	if !r.begun && len(b) > 0 {
		r.begun = true
		if b[0] == ' ' {
			b = b[1:]
		}
	}
	switch r.field {
	case unknown:
	case isData:
		if r.store.Data == nil {
			r.store.Data = r.env.Buffers.Get(0)
		}
		r.store.Write(b)
	default:
		if room := maxValue - len(r.value); len(b) > room {
			b, r.over = b[:room], true
		}
		r.value = append(r.value, b...)
	}
}

// know ends the name of the field.
func (r *Reader) know() {
	r.named = true
	switch string(r.name) {
	case "data":
		r.field = isData
		if r.lines++; r.lines > 1 {
			r.store.Write([]byte{'\n'})
		}
	case "event":
		r.field = isEvent
	case "id":
		r.field = isID
	case "retry":
		r.field = isRetry
	}
}

// line ends a line.
func (r *Reader) line(at packet.Pos) {
	switch {
	case r.skip:
		r.skip = false
		r.clearLine()
		return
	case !r.any:
		r.dispatch(at)
		return
	case !r.named:
		r.know() // all of the line is the name
	}
	switch {
	case r.field == isEvent:
		r.typ = r.string()
	case r.field == isID && bytes.IndexByte(r.value, 0) < 0:
		r.last = r.string()
	case r.field == isRetry:
		if n, err := strconv.ParseUint(string(r.value), 10, 62); err == nil {
			r.wait = int64(n)
		}
	}
	r.clearLine()
}

// string returns the value as text.
func (r *Reader) string() string {
	if r.over {
		r.anomalies.Add(exchange.AnomalyEventFieldLimit)
	}
	s := app.Escape(r.value)
	if s != string(r.value) {
		r.anomalies.Add(exchange.AnomalyEscapedBytes)
	}
	return s
}

func (r *Reader) clearLine() {
	r.name, r.value = r.name[:0], r.value[:0]
	r.named, r.any, r.begun, r.over, r.field = false, false, false, false, unknown
}

// empty begins an event.
func (r *Reader) empty() {
	r.clearLine()
	r.env.Buffers.Put(r.store.Data)
	r.store = coding.Store{Limit: max(0, r.env.Limits.Body), Hash: r.env.Limits.Hash}
	r.lines, r.typ, r.size, r.partial, r.anomalies = 0, "", 0, false, exchange.Anomalies{}
}

// dispatch ends an event. Without data it is none.
func (r *Reader) dispatch(at packet.Pos) {
	if r.lines > 0 {
		r.give(at)
	}
	r.empty()
}

func (r *Reader) give(at packet.Pos) {
	m := &exchange.StreamMessage{
		PairID: r.pair, Conn: r.conn, Ordinal: r.ordinal, Dir: exchange.ToClient, Kind: "sse", Type: r.typ, ID: r.last,
		TimeNS: at.TimeNS, Packet: at.Number, Size: r.store.Size, WireSize: r.size, Partial: r.partial, Anomalies: r.anomalies,
	}
	r.ordinal++
	if m.Type == "" {
		m.Type = "message"
	}
	if r.wait >= 0 {
		m.RetryMS, m.HasRetry = r.wait, true
		r.wait = -1
	}
	if !r.partial {
		m.SHA256, m.Hashed = r.store.Sum()
	}
	if n := len(r.store.Data); n > 0 {
		// Not cut out of a larger buffer, which it would keep from being freed.
		m.Payload = append(make([]byte, 0, n), r.store.Data...)
	}
	if r.env.Limits.Body >= 0 && !r.store.Whole() {
		m.Anomalies.Add(exchange.AnomalyBodyLimit)
	}
	r.env.Message(m)
}

// Gap tells that bytes are missing. What an event had before the gap and what comes
// behind it are not put together: they may belong to two.
func (r *Reader) Gap(at packet.Pos, reason string) {
	var why exchange.Anomaly
	switch reason {
	case exchange.GapSnaplen:
		why = exchange.AnomalySnaplenCut
	case exchange.GapMirrorTruncated:
		why = exchange.AnomalyMirrorTruncated
	default:
		why = exchange.AnomalyLostSegment
	}
	r.cut(at, why)
	r.anomalies.Add(why)
	r.partial, r.skip, r.cr, r.last, r.mark = true, true, false, "", len(byteOrderMark)
}

// End tells that the body has ended: what it leaves unfinished is given out as it is.
func (r *Reader) End(at packet.Pos) {
	r.cut(at, exchange.AnomalyMessageCut)
	r.mark = 0
}

func (r *Reader) cut(at packet.Pos, why exchange.Anomaly) {
	if r.lines > 0 {
		r.partial = true
		r.anomalies.Add(why)
		r.give(at)
	}
	r.empty()
}
