package http1

import (
	"strings"
	"unsafe"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

// derive fills what follows from the request target and the Host field (RFC 9112,
// sections 3.2 and 3.3). req.Host holds the Host field until then.
func (c *Conn) derive(req *exchange.Request, p *exchange.Pair) {
	t := req.Target
	authority := req.Host
	req.Scheme = "http"
	if c.conn.TLS != nil && c.conn.TLS.Decrypted {
		req.Scheme = "https"
	}
	switch {
	case strings.HasPrefix(t, "/"):
	case req.Method == "CONNECT":
		req.Host = app.HostOnly(t)
		req.Scheme, req.Path, req.Query, req.URL = "", "", "", ""
		return
	case t == "*":
		req.Host = app.HostOnly(authority)
		req.Path = t
		return
	default:
		if i := strings.Index(t, "://"); i > 0 {
			req.Scheme = t[:i]
			rest := t[i+3:]
			end := strings.IndexAny(rest, "/?#")
			if end < 0 {
				end = len(rest)
			}
			authority, t = rest[:end], rest[end:]
			if j := strings.LastIndexByte(authority, '@'); j >= 0 {
				authority = authority[j+1:]
			}
			req.URL = req.Target
			if t == "" {
				t = "/"
			}
		}
	}
	req.Host = app.HostOnly(authority)
	req.Path, req.Query, _ = strings.Cut(t, "?")
	if req.URL == "" && authority != "" && strings.HasPrefix(t, "/") {
		start := len(p.Scratch)
		p.Scratch = append(p.Scratch, req.Scheme...)
		p.Scratch = append(p.Scratch, "://"...)
		p.Scratch = append(p.Scratch, authority...)
		p.Scratch = append(p.Scratch, req.Target...)
		b := p.Scratch[start:]
		req.URL = unsafe.String(&b[0], len(b))
	}
}
