package tls

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"

	"recap/pipeline/exchange"
)

// trialBudget is how many bytes of ciphertext one direction may try in vain before
// it is given up; every record adds trialFactor times its length. So the work that
// hostile records can cause stays in proportion to them. What is searched for records
// adds nothing: candidates may overlap.
const (
	trialBudget = 1 << 20
	trialFactor = 16
)

// maxWindow bounds how many records may be missing in one hole.
const maxWindow = 1024

// mayOpen reports whether the secrets for this connection may be there.
func (c *Conn) mayOpen() bool {
	if !c.hasClient || c.compressed || c.hasServer && c.suite.bulk == unsupported {
		return false
	}
	return c.master != nil || c.view.has(&c.clientRand) || c.view.wantsTranscript(&c.clientRand) || c.view.bySession(c.session) != nil
}

// changeCipher begins protection of one direction, before TLS 1.3; there the
// message means nothing (RFC 8446, section 5).
func (c *Conn) changeCipher(d exchange.Dir, s *side) {
	switch c.version {
	case versionTLS13:
		return
	case 0:
		s.changed = !c.retried // behind a HelloRetryRequest it can only be TLS 1.3
		return
	}
	s.sealed, s.seq = true, 0
	s.open = c.derive(d)
}

// masterOf finds the master secret of the handshake.
func (c *Conn) masterOf() []byte {
	if c.master != nil || c.masterTried == c.view.version && c.masterTried >= 0 {
		return c.master
	}
	c.masterTried = c.view.version
	if s := c.view.find(&c.clientRand, masterSecret, 0); s != nil {
		c.master = s.slice()
		return c.master
	}
	if s := c.view.bySession(c.session); s != nil {
		c.master = s.slice()
		return c.master
	}
	pre := c.view.find(&c.clientRand, preMaster, 0)
	if pre == nil && c.hasEnc {
		pre = c.view.byEncrypted(c.encrypted[:])
	}
	if pre == nil {
		return nil
	}
	if !c.ems {
		seed := append(append(make([]byte, 0, 64), c.clientRand[:]...), c.serverRand[:]...)
		c.master = prf(c.version, c.suite.hash, pre.slice(), "master secret", seed, 48)
		return c.master
	}
	// The session hash covers the messages up to the ClientKeyExchange (RFC 7627, section 3).
	var sum []byte
	if c.version >= versionTLS12 {
		h := c.suite.hash()
		h.Write(c.transcript)
		sum = h.Sum(nil)
	} else {
		m, h := md5.Sum(c.transcript), sha1.Sum(c.transcript)
		sum = append(m[:], h[:]...)
	}
	c.master = prf(c.version, c.suite.hash, pre.slice(), "extended master secret", sum, 48)
	return c.master
}

// derive returns the opener of one direction before TLS 1.3; nil without a secret.
func (c *Conn) derive(d exchange.Dir) *opener {
	s := c.suite
	if !c.hasClient || !c.hasServer || c.compressed || s.bulk == unsupported || c.version < versionTLS10 || c.version > versionTLS12 {
		return nil
	}
	master := c.masterOf()
	if master == nil {
		return nil
	}
	iv := 0
	switch {
	case s.bulk == gcm || s.bulk == ccm:
		iv = 4
	case s.bulk == chacha:
		iv = 12
	case c.version == versionTLS10 && s.bulk == aesCBC:
		iv = 16
	case c.version == versionTLS10 && s.bulk == desCBC:
		iv = 8
	}
	seed := append(append(make([]byte, 0, 64), c.serverRand[:]...), c.clientRand[:]...)
	block := prf(c.version, s.hash, master, "key expansion", seed, 2*(s.macLen+s.key+iv))
	r := reader{b: block}
	var macs, keys, ivs [2][]byte
	for i := range 2 {
		macs[i] = r.take(s.macLen)
	}
	for i := range 2 {
		keys[i] = r.take(s.key)
	}
	for i := range 2 {
		ivs[i] = r.take(iv)
	}
	return newOpener12(c.version, s, keys[d], macs[d], ivs[d], c.etm)
}

// guess looks for the master secret of a resumed session among all of them: not
// every program writes a line when it resumes (Go does not). The first protected
// record tells which one fits.
func (c *Conn) guess(d exchange.Dir, rec, dst []byte) *opener {
	c.view.masters(func(master []byte) bool {
		c.master = master
		if o := c.derive(d); o != nil {
			if _, _, ok := o.open(dst, rec, 0); ok {
				return false
			}
		}
		c.master = nil
		return true
	})
	c.resumed = false // only once
	return c.derive(d)
}

// key13 returns the first opener of an epoch; nil without its secret.
func (c *Conn) key13(d exchange.Dir, e epoch, s suite) *opener {
	l := [2][none]label{{clientEarly, clientHandshake, clientTraffic}, {0, serverHandshake, serverTraffic}}[d][e]
	sec := c.view.find(&c.clientRand, l, s.hash().Size())
	if sec == nil || s.bulk == unsupported {
		return nil
	}
	return newOpener13(s, sec.slice())
}

// unseal opens a record under the keys and the number it most likely has, then,
// behind a hole, under those it may have. It leaves the keys that fit in s.
func (c *Conn) unseal(d exchange.Dir, s *side, rec, dst []byte) (plain []byte, typ byte, seq uint64, ok bool) {
	if s.mode != searching {
		s.budget += trialFactor * int64(len(rec))
	}
	if c.version == versionTLS13 || c.version == 0 {
		return c.unseal13(d, s, rec, dst)
	}
	if s.open == nil {
		if s.open = c.derive(d); s.open == nil && c.resumed && s.seq+s.failed == 0 {
			s.open = c.guess(d, rec, dst)
		}
		if s.open == nil {
			return nil, 0, 0, false
		}
	}
	plain, typ, seq, ok = c.try(s, s.open, s.seq, rec, dst)
	return plain, typ, seq, ok
}

func (c *Conn) unseal13(d exchange.Dir, s *side, rec, dst []byte) (plain []byte, typ byte, seq uint64, ok bool) {
	if s.open != nil {
		if plain, typ, seq, ok = c.try(s, s.open, s.seq, rec, dst); ok {
			return plain, typ, seq, true
		}
		if s.holed && s.epoch == application && s.budget > 0 { // a key update may be lost
			if next := s.open.next(); next != nil {
				if plain, typ, seq, ok = c.try(s, next, 0, rec, dst); ok {
					s.open = next
					return plain, typ, seq, true
				}
			}
		}
	}
	if s.budget < 0 {
		return nil, 0, 0, false
	}
	first := s.from
	if s.open != nil {
		first = max(first, s.epoch+1)
	}
	for e := first; e < none; e++ {
		if e == early {
			if d == exchange.ToServer {
				if o, plain, typ, seq, ok := c.tryEarly(s, rec, dst); ok {
					s.open, s.epoch = o, early
					return plain, typ, seq, true
				}
			}
			continue
		}
		if c.version == 0 {
			break
		}
		o := c.key13(d, e, c.suite)
		if o == nil {
			continue
		}
		o.brief = e == handshaking
		plain, typ, seq, ok = c.try(s, o, 0, rec, dst)
		if !ok && e == application && s.holed {
			if next := o.next(); next != nil { // its first record may have been a key update
				o = next
				plain, typ, seq, ok = c.try(s, o, 0, rec, dst)
			}
		}
		if ok {
			if s.epoch == early && s.open != nil && !c.earlyOK {
				c.refuseEarly() // the next keys without EndOfEarlyData
			}
			s.open, s.epoch, s.from = o, e, e
			return plain, typ, seq, true
		}
	}
	return nil, 0, 0, false
}

// tryEarly opens early data: its suite is that of the session before, which only
// the secret's length and the offer tell.
func (c *Conn) tryEarly(s *side, rec, dst []byte) (o *opener, plain []byte, typ byte, seq uint64, ok bool) {
	if !c.view.has(&c.clientRand) {
		return nil, nil, 0, 0, false
	}
	tried := 0
	for b := c.offered; len(b) >= 2 && tried < 5; b = b[2:] {
		x := suiteOf(binary.BigEndian.Uint16(b))
		if !x.tls13 {
			continue
		}
		tried++
		if o = c.key13(exchange.ToServer, early, x); o == nil {
			continue
		}
		if plain, typ, seq, ok = c.try(s, o, 0, rec, dst); ok {
			return o, plain, typ, seq, true
		}
	}
	return nil, nil, 0, 0, false
}

// try opens rec with o and the number seq or, behind a hole, a later one.
func (c *Conn) try(s *side, o *opener, seq uint64, rec, dst []byte) (plain []byte, typ byte, at uint64, ok bool) {
	if !o.ready() {
		return nil, 0, 0, false
	}
	once := func(n uint64) bool {
		s.budget -= int64(len(rec)) + 64
		plain, typ, ok = o.open(dst, rec, n)
		at = n
		if !ok {
			plain = nil
		}
		return ok
	}
	floor := int64(0)
	if s.mode == searching {
		floor = s.budget / 2 // ciphertext may look like a record: more of them may come
	}
	likely := seq
	if o == s.open || !o.tls13 {
		likely += s.failed
	}
	if once(likely) {
		return plain, typ, at, true
	}
	if !s.holed {
		return nil, 0, 0, false
	}
	// The nonce counts up with the sequence number, or is it.
	if o.lead() == 8 && len(rec) >= headerLen+8 {
		n := binary.BigEndian.Uint64(rec[headerLen:])
		if o.hasExplicit {
			n += o.explicitSeq - o.explicit
		}
		if n >= seq && n != likely && n-seq < 1<<32 && once(n) {
			return plain, typ, at, true
		}
	}
	window := uint64(256)
	if !s.unsure {
		window = min(uint64(s.hole)/(headerLen+8), maxWindow)
	}
	near := min(window, 16)
	if o.brief {
		window = near
	}
	for n := seq; n <= seq+near && s.budget > floor; n++ {
		if n != likely && once(n) {
			return plain, typ, at, true
		}
	}
	if s.failed > near { // many records passed before the keys were known
		for n := seq + s.failed; n > seq+near && n+16 > seq+s.failed && s.budget > floor; n-- {
			if n != likely && once(n) {
				return plain, typ, at, true
			}
		}
	}
	if s.records > 0 && !s.unsure && o == s.open { // records like those before
		guess := seq + uint64(s.hole*s.records/max(s.length, 1))
		for n := max(guess, seq+near+9) - 8; n < guess+8 && s.budget > floor; n++ {
			if once(n) {
				return plain, typ, at, true
			}
		}
	}
	for n := seq + near + 1; n <= seq+window && s.budget > floor; n++ {
		if n != likely && once(n) {
			return plain, typ, at, true
		}
	}
	return nil, 0, 0, false
}

// search looks in buf for a record that opens. final says that nothing more comes.
func (c *Conn) search(d exchange.Dir, s *side, final bool) {
	b, parts := s.buf, s.parts
	drop := func(n int) {
		c.pass(s, n)
		b = b[n:]
		for n > 0 {
			k := min(n, parts[0].n)
			parts[0].n -= k
			parts[0].at.Offset += int64(k)
			if n -= k; parts[0].n == 0 {
				parts = parts[1:]
			}
		}
	}
	for s.mode == searching {
		i := 0
		for i+headerLen <= len(b) && !c.candidate(s, b[i:]) {
			i++
		}
		if i+headerLen > len(b) {
			drop(i)
			break
		}
		drop(i)
		n := recordLen(b)
		if n > len(b) {
			if !final {
				break
			}
			drop(1)
			continue
		}
		if c.found(d, s, b[:n], parts) {
			b = b[n:]
			for left := n; left > 0; {
				k := min(left, parts[0].n)
				parts[0].n -= k
				parts[0].at.Offset += int64(k)
				if left -= k; parts[0].n == 0 {
					parts = parts[1:]
				}
			}
			break
		}
		if s.open != nil {
			s.open.passed(b[:n]) // should it have been one, the next opens
		}
		if s.budget < 0 {
			s.buf, s.parts = b, parts
			c.giveUp(d, s, parts[0].at)
			return
		}
		drop(1)
	}
	if s.mode == searching {
		if len(b) < len(s.buf) {
			s.buf = s.buf[:copy(s.buf, b)]
			s.parts = s.parts[:copy(s.parts, parts)]
		}
		return
	}
	// In step again: what is left goes the usual way.
	rest, of := append([]byte(nil), b...), append([]part(nil), parts...)
	s.buf, s.parts = s.buf[:0], s.parts[:0]
	c.fed -= int64(len(rest))
	s.budget -= int64(len(rest))
	for _, p := range of {
		c.Data(d, p.at, rest[:p.n])
		rest = rest[p.n:]
	}
}

// candidate reports whether a record of the connection may begin at b.
func (c *Conn) candidate(s *side, b []byte) bool {
	if !plausible(b) {
		return false
	}
	v := binary.BigEndian.Uint16(b[1:])
	if c.version == versionTLS13 || c.version == 0 {
		return b[0] == typeData && v == versionTLS12
	}
	return v == c.version
}

// found takes a record in front of which the stream is out of step, if it opens.
func (c *Conn) found(d exchange.Dir, s *side, rec []byte, parts []part) bool {
	var mine []part
	for _, left := 0, len(rec); left > 0; {
		p := parts[len(mine)]
		p.n = min(p.n, left)
		left -= p.n
		mine = append(mine, p)
	}
	if !c.isSealed(d, s, rec[0]) && !c.clear(rec) {
		if c.version < versionTLS10 || c.version > versionTLS12 {
			return false
		}
		// The start of protection may lie in the hole.
		before := *s
		before.open = nil
		if s.open == nil {
			s.open, s.seq = c.derive(d), 0
		}
		if s.open == nil {
			return false
		}
		plain, typ, seq, ok := c.try(s, s.open, 0, rec, nil)
		if !ok {
			return false
		}
		s.sealed = true
		c.opened(d, s, &before, seq, mine[0].at, int64(len(rec)))
		c.use(d, s, rec, mine, plain, typ)
		return true
	}
	if !c.isSealed(d, s, rec[0]) {
		s.mode = inStep
		s.holed, s.hole, s.unsure, s.failed, s.reason = false, 0, false, 0, ""
		c.record(d, s, rec, mine)
		return true
	}
	before := *s
	plain, typ, seq, ok := c.unseal(d, s, rec, nil)
	if !ok {
		return false
	}
	s.budget += trialFactor * int64(len(rec))
	c.opened(d, s, &before, seq, mine[0].at, int64(len(rec)))
	c.use(d, s, rec, mine, plain, typ)
	return true
}

// clear reports whether rec is beyond doubt a record in the clear: a
// ChangeCipherSpec, or handshake messages that fill it exactly.
func (c *Conn) clear(rec []byte) bool {
	b := rec[headerLen:]
	switch rec[0] {
	case typeCCS:
		return len(b) == 1 && b[0] == 1
	case typeHandshake:
		r := reader{b: b}
		for len(r.b) > 0 {
			if typ := r.u8(); typ < 1 || typ > 25 {
				return false
			}
			r.vec24()
		}
		return !r.bad && len(b) > 0
	}
	return false
}
