package bluetooth

import (
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	loggerName   = "packetlogger"
	loggerRecord = 13 // the length of a record counts all but itself
	loggerLength = 4
	// loggerMost is the largest length that PacketLogger is known to write.
	loggerMost = 1 << 16
)

// loggerKinds are the kinds of records that hold packets, and those of them that the host
// received.
var loggerKinds = map[byte]struct {
	kind     byte
	received bool
}{
	0: {kindCommand, false}, 1: {kindEvent, true},
	2: {kindACL, false}, 3: {kindACL, true},
	8: {kindSCO, false}, 9: {kindSCO, true},
}

// isLoggerNote says whether a kind of records holds a message of the system, or what the
// controller notes of its own layer.
func isLoggerNote(kind byte) bool { return kind == 10 || kind == 11 || kind >= 0xf7 && kind <= 0xfe }

// PacketLogger is the entry for the list of formats. The file has no header and no magic
// number; it is known by its first two records.
var PacketLogger = format.Format{
	Name: loggerName,
	Weak: true,
	Match: func(head []byte) bool {
		l := &packetLogger{logged: logged{max: format.DefaultMaxPacket, start: loggerRecord}}
		return l.FileHeader(head) <= len(head) && format.Begins(head, loggerRecord, l.Header)
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &packetLogger{logged: logged{in: in, max: lim.WithDefaults().MaxPacket, start: loggerRecord}})
	},
}

type packetLogger struct {
	logged
	order binary.ByteOrder
}

// FileHeader implements [format.Layout]. There is none; the first record tells the byte order,
// in which its length and its microseconds are small numbers.
func (l *packetLogger) FileHeader(b []byte) int {
	if len(b) < loggerRecord {
		return loggerRecord
	}
	small := func(order binary.ByteOrder) (n int) {
		if order.Uint32(b) < loggerMost {
			n++
		}
		if order.Uint32(b[8:]) < 1e6 {
			n++
		}
		return n
	}
	if l.order = binary.LittleEndian; small(binary.BigEndian) > small(binary.LittleEndian) {
		l.order = binary.BigEndian
	}
	l.begin(loggerName)
	return 0
}

func (l *packetLogger) HeaderSize() int { return loggerRecord }

// Header reads the length, the time, and the kind of the record.
func (l *packetLogger) Header(b []byte) format.Header {
	h := format.Header{Sec: int64(l.order.Uint32(b[4:])), Alone: true}
	if n := l.order.Uint32(b); n >= loggerRecord-loggerLength && n < loggerMost && n <= uint32(l.max) {
		h.Size = loggerLength + int(n)
	}
	fits := l.order.Uint32(b[8:]) < 1e6 && h.Sec > 0
	if k, ok := loggerKinds[b[12]]; ok {
		l.confirm(&h, fits, k.kind, b)
	} else {
		h.Fits = fits && h.Size > 0 && isLoggerNote(b[12])
	}
	return h
}

// Why implements [format.Layout].
func (l *packetLogger) Why(b []byte) string { return l.why(int64(l.order.Uint32(b))) }

// Other implements [format.Layout].
func (l *packetLogger) Other(b []byte) [2]int {
	return l.other(l.Header(b), loggerKinds[b[12]].kind, b)
}

func (l *packetLogger) Take(b []byte, p *packet.Packet) bool {
	k, ok := loggerKinds[b[12]]
	if !ok {
		format.StepOver(l.in, "packetlogger note")
		return false
	}
	return l.take(p, k.received, k.kind, b[loggerRecord:], l.order.Uint32(b[4:]), l.order.Uint32(b[8:]))
}
