package http1

import (
	"bytes"

	"recap/pipeline/exchange"
)

// requestLine reads method, target and version (RFC 9112, section 3).
func (p *headParser) requestLine(b []byte) {
	req := &p.s.pair.Request
	// As nearly all are: METHOD SP target SP HTTP/1.1, without further white space.
	const version = " HTTP/1.1"
	if i, n := bytes.IndexByte(b, ' '), len(b)-len(version); i > 0 && i+1 < n && string(b[n:]) == version &&
		bytes.IndexByte(b[i+1:n], ' ') < 0 && bytes.IndexByte(b[:n], '\t') < 0 && allToken(b[:i]) {
		req.Method, req.Target, req.Version = p.str(b[:i]), p.str(b[i+1:n]), version[1:]
		return
	}
	i := bytes.IndexAny(b, " \t")
	if alone := bytes.TrimRight(b, " \t"); i < 0 || i == len(alone) {
		p.add(exchange.AnomalyBadRequestLine)
		req.Method = p.str(alone)
		return
	}
	method, rest := b[:i], b[i:]
	if !allToken(method) || rest[0] == '\t' {
		p.add(exchange.AnomalyBadRequestLine)
	}
	target := bytes.Trim(rest, " \t")
	if j := lastVersion(target); j >= 0 && len(target)-j >= 5 && bytes.EqualFold(target[j:j+5], []byte("HTTP/")) {
		v := target[j:]
		target = bytes.TrimRight(target[:j], " \t")
		req.Version = p.version(v)
		if len(b) != len(method)+1+len(target)+1+len(v) || bytes.IndexByte(target, ' ') >= 0 {
			p.add(exchange.AnomalyBadRequestLine)
		}
	} else {
		req.Version = "HTTP/0.9"
		p.s.framing.old = true
		if string(method) != "GET" {
			p.add(exchange.AnomalyBadVersion)
		}
		if bytes.ContainsAny(target, " \t") {
			p.add(exchange.AnomalyBadRequestLine)
		}
	}
	req.Method, req.Target = p.str(method), p.str(target)
}

// version returns b as a string and names what is odd about it.
func (p *headParser) version(b []byte) string {
	switch string(b) {
	case "HTTP/1.1":
		return "HTTP/1.1"
	case "HTTP/1.0":
		p.s.framing.old = true
		return "HTTP/1.0"
	}
	p.add(exchange.AnomalyBadVersion)
	return p.str(b)
}

// statusLine reads version, status and reason (RFC 9112, section 4).
func (p *headParser) statusLine(b []byte) {
	resp := &p.s.pair.Response
	if len(b) > 13 && string(b[:9]) == "HTTP/1.1 " && b[12] == ' ' && b[9] >= '1' && b[9] <= '5' && isDigit(b[10]) && isDigit(b[11]) {
		resp.Version = "HTTP/1.1"
		resp.Status = int32(b[9]-'0')*100 + int32(b[10]-'0')*10 + int32(b[11]-'0')
		resp.Reason = p.str(b[13:])
		return
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		p.add(exchange.AnomalyBadStatusLine)
		resp.Version = p.version(b)
		return
	}
	resp.Version = p.version(b[:i])
	rest := b[i+1:]
	if t := bytes.TrimLeft(rest, " \t"); len(t) != len(rest) {
		p.add(exchange.AnomalyBadStatusLine)
		rest = t
	}
	n := 0
	for n < len(rest) && isDigit(rest[n]) && n < 9 {
		resp.Status = resp.Status*10 + int32(rest[n]-'0')
		n++
	}
	if n != 3 || resp.Status < 100 || resp.Status > 599 {
		p.add(exchange.AnomalyBadStatus)
	}
	rest = rest[n:]
	if len(rest) > 0 {
		if rest[0] != ' ' {
			p.add(exchange.AnomalyBadStatusLine)
		} else {
			rest = rest[1:]
		}
		resp.Reason = p.str(rest)
	}
}
