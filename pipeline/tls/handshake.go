package tls

import (
	"bytes"
	"encoding/hex"
	"strings"

	"recap/pipeline/exchange"
)

// handshake takes handshake bytes, which records may divide at will.
func (c *Conn) handshake(d exchange.Dir, s *side, b []byte) {
	for len(b) > 0 {
		if s.pass > 0 {
			n := min(s.pass, len(b))
			s.pass -= n
			b = b[n:]
			continue
		}
		if len(s.message) == 0 && len(b) >= 4 {
			if n := 4 + (int(b[1])<<16 | int(b[2])<<8 | int(b[3])); n <= len(b) {
				c.said(d, s, b[:n])
				b = b[n:]
				continue
			}
		}
		want := 4
		if len(s.message) >= 4 {
			want += int(s.message[1])<<16 | int(s.message[2])<<8 | int(s.message[3])
		}
		if want > maxMessage {
			s.pass = want - len(s.message)
			s.message = nil
			continue
		}
		n := min(want-len(s.message), len(b))
		s.message = append(s.message, b[:n]...)
		b = b[n:]
		if len(s.message) == want && (want > 4 || s.message[1]|s.message[2]|s.message[3] == 0) {
			m := s.message
			s.message = nil
			c.said(d, s, m)
		}
	}
}

// said takes one whole handshake message.
func (c *Conn) said(d exchange.Dir, s *side, m []byte) {
	body := m[4:]
	tls13 := c.version == versionTLS13
	if m[0] == msgClientHello {
		c.transcript = c.transcript[:0]
	}
	if !tls13 && !c.hasEnc && c.hasClient && c.view.wantsTranscript(&c.clientRand) || m[0] == msgClientHello && !c.view.Empty() {
		if len(c.transcript)+len(m) <= maxMessage {
			c.transcript = append(c.transcript, m...)
		}
	}
	switch {
	case m[0] == msgClientHello && d == exchange.ToServer:
		c.clientHello(body)
	case m[0] == msgServerHello && d == exchange.ToClient:
		c.serverHello(body)
	case m[0] == msgCertificate && d == exchange.ToClient:
		c.certificate(body)
	case m[0] == msgClientKey && d == exchange.ToServer && !tls13:
		r := reader{b: body}
		if e := r.vec16(); len(e) >= 8 && !r.bad {
			copy(c.encrypted[:], e)
		}
		c.hasEnc = true
	case !tls13 || s.open == nil:
	case m[0] == msgEncryptedExts && d == exchange.ToClient:
		r := reader{b: body}
		list, _ := extensionsOf(r.vec16())
		if names := alpnOf(list); len(names) == 1 && !c.frozen {
			c.info.TLS.ALPN = names[0]
		}
		if _, ok := find(list, extEarlyData); ok {
			c.acceptEarly()
		} else {
			c.refuseEarly()
		}
	case m[0] == msgEndOfEarlyData && d == exchange.ToServer && s.epoch == early:
		c.acceptEarly() // a client says so only when the server took it
		s.open, s.from, s.seq = nil, handshaking, 0
	case m[0] == msgFinished && s.epoch == handshaking:
		s.open, s.from, s.seq = nil, application, 0
	case m[0] == msgKeyUpdate && s.epoch == application:
		if next := s.open.next(); next != nil {
			s.open, s.seq = next, 0
		}
	}
}

func (c *Conn) clientHello(body []byte) {
	h, ok := parseClientHello(body)
	if !ok {
		return
	}
	copy(c.clientRand[:], h.random)
	c.hasClient, c.hasServer, c.hasEnc, c.master, c.masterTried = true, false, false, nil, -1
	c.wanted = append(c.wanted[:0], h.session...)
	c.offered = append(c.offered[:0], h.suites...)
	t := c.info.TLS
	if c.frozen || t.JA3 != "" {
		return
	}
	t.SNI = h.serverName()
	t.Offered = strings.Join(alpnOf(h.extensions), ",")
	t.JA3, t.JA4 = h.ja3(), h.ja4('t')
}

func (c *Conn) serverHello(body []byte) {
	h, ok := parseServerHello(body)
	if !ok {
		return
	}
	if h.retry {
		c.retried = true
		c.sides[exchange.ToServer].changed = false
		c.refuseEarly()
		return
	}
	c.version, c.suite = h.version, suiteOf(h.suite)
	for d := range c.sides {
		if s := &c.sides[d]; s.changed {
			s.changed, s.sealed = false, c.version != versionTLS13
		}
	}
	copy(c.serverRand[:], h.random)
	c.session = append(c.session[:0], h.session...)
	c.resumed = len(h.session) > 0 && bytes.Equal(h.session, c.wanted) && c.version < versionTLS13
	c.hasServer, c.master, c.masterTried = true, nil, -1
	c.compressed = h.compression != 0
	_, c.etm = find(h.extensions, extEncryptThenMAC)
	_, c.ems = find(h.extensions, extExtendedMaster)
	if c.version == versionTLS13 {
		for d := range c.sides {
			s := &c.sides[d]
			if d == int(exchange.ToClient) || s.open == nil {
				s.from = handshaking
			}
		}
		if c.retried {
			c.sides[exchange.ToServer].from = handshaking
		}
	}
	t := c.info.TLS
	if c.frozen || t.Version != "" {
		return
	}
	if t.Version = versionNames[h.version]; t.Version == "" {
		t.Version = "0x" + hex.EncodeToString([]byte{byte(h.version >> 8), byte(h.version)})
	}
	t.Cipher = suiteName(h.suite)
	if names := alpnOf(h.extensions); len(names) == 1 {
		t.ALPN = names[0]
	}
}

func (c *Conn) certificate(body []byte) {
	t := c.info.TLS
	if c.frozen || t.CertSHA256 != "" {
		return
	}
	if x, ok := parseCertificate(body, c.version == versionTLS13); ok {
		t.CertSubject, t.CertIssuer, t.CertSHA256 = x.subject, x.issuer, hex.EncodeToString(x.sha256[:])
	}
}
