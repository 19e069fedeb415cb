package http

import (
	"strconv"

	"recap/pipeline/exchange"
	"recap/replay"
)

// maxJoined is up to which size a body is copied behind its head, to leave in one
// write with it; larger ones are written from where they are, bytes.
const maxJoined = 16 << 10

// appendHead appends the request line and the header block of q (RFC 9112, sections
// 3 and 5), with the marker where there is one.
func (q *request) appendHead(b, marker []byte) []byte {
	b = append(append(append(b, q.method...), ' '), q.target...)
	if q.old {
		b = append(b, " HTTP/1.0\r\n"...)
	} else {
		b = append(b, " HTTP/1.1\r\n"...)
	}
	if q.host != "" || !q.old {
		b = appendField(b, "Host", q.host)
	}
	for i := range q.fields {
		b = appendField(b, q.fields[i].Name, q.fields[i].Value)
	}
	if len(marker) > 0 {
		b = append(append(append(b, replay.MarkerHeader+": "...), marker...), "\r\n"...)
	}
	if q.length {
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(q.body)), 10), "\r\n"...)
	}
	switch {
	case q.close:
		b = append(b, "Connection: close\r\n"...)
	case q.keep && q.old:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// sizeOf is the size of the recorded request as HTTP/1.1 writes it, bytes: what the
// rate counts.
func sizeOf(r *exchange.Request) uint64 {
	n := len(r.Method) + len(r.Target) + len("  HTTP/1.1\r\n\r\n") + len(r.Body)
	for i := range r.Headers {
		n += len(r.Headers[i].Name) + len(r.Headers[i].Value) + len(": \r\n")
	}
	return uint64(n)
}
