package tls

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
)

// Keys are the secrets of key logs in the NSS format
// (https://firefox-source-docs.mozilla.org/security/nss/legacy/key_log_format):
// one secret a line, named by its label and by the client random of the connection
// it belongs to. Several goroutines may look secrets up while one adds more.
//
// Secrets leave this package in no form: Keys has no accessor for them, and every
// verb of package fmt prints how many there are.
type Keys struct {
	mu       sync.RWMutex
	version  int
	random   map[[32]byte][]secret
	rsa      map[[8]byte]secret // by the first bytes of the encrypted pre-master secret
	session  map[[32]byte]secret
	master   []*secret // of CLIENT_RANDOM lines, in order
	stats    KeyStats
	rest     []byte // the beginning of a line, of Write
	skipping bool   // the line being read is too long
}

// KeyStats counts the lines of key logs.
type KeyStats struct {
	Secrets   int // lines that were taken up
	Ignored   int // lines of a known form that are of no use here, such as EXPORTER_SECRET
	Malformed int
	Dropped   int // beyond MaxSecrets
}

// MaxSecrets bounds how many secrets are kept; each takes about 100 bytes.
const MaxSecrets = 1 << 20

// maxPerRandom bounds how many secrets of one connection are kept.
const maxPerRandom = 16

// maxKeyLine bounds a line of a key log, bytes; no line of use is longer than 250.
const maxKeyLine = 1 << 10

type label uint8

const (
	masterSecret label = iota
	clientEarly
	clientHandshake
	serverHandshake
	clientTraffic
	serverTraffic
	preMaster
)

var labels = map[string]label{
	"CLIENT_RANDOM":                   masterSecret,
	"PMS_CLIENT_RANDOM":               preMaster,
	"CLIENT_EARLY_TRAFFIC_SECRET":     clientEarly,
	"CLIENT_HANDSHAKE_TRAFFIC_SECRET": clientHandshake,
	"SERVER_HANDSHAKE_TRAFFIC_SECRET": serverHandshake,
	"CLIENT_TRAFFIC_SECRET_0":         clientTraffic,
	"SERVER_TRAFFIC_SECRET_0":         serverTraffic,
}

// unused are labels that say nothing about application data.
var unused = map[string]bool{"EXPORTER_SECRET": true, "EARLY_EXPORTER_SECRET": true, "EARLY_EXPORTER_MASTER_SECRET": true,
	"EXPORTER_MASTER_SECRET": true, "ECH_SECRET": true, "ECH_CONFIG": true}

type secret struct {
	since int // version of Keys that brought it
	label label
	size  uint8
	bytes [48]byte
}

func (s *secret) slice() []byte {
	if s == nil {
		return nil
	}
	return s.bytes[:s.size]
}

// String tells how many secrets there are, never what they are.
func (k *Keys) String() string {
	if k == nil {
		return "no keys"
	}
	return fmt.Sprintf("%d TLS secrets", k.Stats().Secrets)
}

// GoString is String: %#v does not show secrets either.
func (k *Keys) GoString() string { return k.String() }

// Format implements fmt.Formatter: no verb shows secrets.
func (k *Keys) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// Stats returns what was counted so far.
func (k *Keys) Stats() KeyStats {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.stats
}

// Add takes up a whole key log text and returns a view of everything added so far.
func (k *Keys) Add(text []byte) View {
	k.mu.Lock()
	k.version++
	k.skipping, k.rest = false, k.rest[:0]
	k.write(text)
	k.flush()
	k.mu.Unlock()
	return k.All()
}

// Clone returns a copy that can be added to on its own.
func (k *Keys) Clone() *Keys {
	if k == nil {
		return new(Keys)
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	// Lists of secrets may be shared: adding to one never writes into what is there.
	random := make(map[[32]byte][]secret, len(k.random))
	for r, list := range k.random {
		random[r] = slices.Clip(list)
	}
	return &Keys{version: k.version, random: random, rsa: maps.Clone(k.rsa), session: maps.Clone(k.session), master: slices.Clip(k.master), stats: k.stats}
}

// Write takes up the next part of a key log; lines may be split anywhere. Flush
// follows the last part. It never fails.
func (k *Keys) Write(text []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.write(text)
	return len(text), nil
}

// Flush takes up a last line that has no end.
func (k *Keys) Flush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flush()
}

func (k *Keys) write(text []byte) {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		part := text
		if i >= 0 {
			part, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		switch {
		case k.skipping:
		case len(k.rest)+len(part) > maxKeyLine:
			k.skipping, k.rest = true, k.rest[:0]
			k.stats.Malformed++
		case i < 0 || len(k.rest) > 0:
			k.rest = append(k.rest, part...)
			if i >= 0 {
				k.flush()
			}
		default:
			k.line(part)
		}
		if i >= 0 {
			k.skipping = false
		}
	}
}

func (k *Keys) flush() {
	k.line(k.rest)
	clear(k.rest)
	k.rest = k.rest[:0]
	k.skipping = false
}

// line takes up one line: LABEL SP hex SP hex.
func (k *Keys) line(b []byte) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] == '#' {
		return
	}
	f := bytes.Fields(b)
	if len(f) != 3 {
		k.stats.Malformed++
		return
	}
	name := string(f[0])
	if name == "RSA" {
		k.rsaLine(f[1], f[2])
		return
	}
	l, ok := labels[name]
	switch {
	case unused[name]:
		k.stats.Ignored++
		return
	case !ok:
		k.stats.Malformed++
		return
	}
	var random [32]byte
	s := secret{since: k.version, label: l}
	if !unhex(random[:], f[1]) || !s.unhex(f[2]) || l == masterSecret && s.size != 48 || l != preMaster && s.size != 32 && s.size != 48 {
		k.stats.Malformed++
		return
	}
	old := k.random[random]
	for i := range old {
		if old[i].label == s.label && old[i].size == s.size && old[i].bytes == s.bytes {
			k.stats.Ignored++ // said before
			return
		}
	}
	if k.full() || len(old) >= maxPerRandom {
		k.stats.Dropped++
		return
	}
	if k.random == nil {
		k.random = make(map[[32]byte][]secret)
	}
	k.random[random] = append(old, s)
	if l == masterSecret {
		k.master = append(k.master, &s)
	}
	k.stats.Secrets++
}

func (k *Keys) full() bool { return k.stats.Secrets >= MaxSecrets }

// rsaLine takes up the two old forms, "RSA <8 bytes of the encrypted pre-master
// secret> <pre-master secret>" and "RSA Session-ID:<id> Master-Key:<master secret>".
func (k *Keys) rsaLine(id, value []byte) {
	s := secret{since: k.version}
	if k.full() {
		k.stats.Dropped++
		return
	}
	if rest, ok := bytes.CutPrefix(id, []byte("Session-ID:")); ok {
		key, isKey := bytes.CutPrefix(value, []byte("Master-Key:"))
		var sid [32]byte
		if !isKey || len(rest) > 64 || len(rest) == 0 || !unhex(sid[:len(rest)/2], rest) || !s.unhex(key) || s.size != 48 {
			k.stats.Malformed++
			return
		}
		if k.session == nil {
			k.session = make(map[[32]byte]secret)
		}
		if _, ok := k.session[sid]; !ok {
			k.session[sid] = s
			k.stats.Secrets++
		}
		return
	}
	var first [8]byte
	if s.label = preMaster; !unhex(first[:], id) || !s.unhex(value) || s.size != 48 {
		k.stats.Malformed++
		return
	}
	if k.rsa == nil {
		k.rsa = make(map[[8]byte]secret)
	}
	if _, ok := k.rsa[first]; !ok {
		k.rsa[first] = s
		k.stats.Secrets++
	}
}

func unhex(dst, src []byte) bool {
	if len(src) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

func (s *secret) unhex(src []byte) bool {
	n := len(src) / 2
	if n > len(s.bytes) || n == 0 {
		return false
	}
	s.size = uint8(n)
	return unhex(s.bytes[:n], src)
}

// A View is what of Keys was known at one point of a capture. The zero View holds
// nothing. What a connection sees of the secrets inside a capture must follow from
// where they stand in it, not from how far a reader has run ahead.
type View struct {
	keys    *Keys
	version int
	guesses int // master secrets that were tried at random
}

// maxGuesses bounds View.guesses; a guess takes some microseconds.
const maxGuesses = 20_000

// Grow makes all of later known in v.
func (v *View) Grow(later View) { v.keys, v.version = later.keys, later.version }

// masters calls yield for the master secrets of other connections, newest first, as
// long as it returns true and v allows guesses.
func (v *View) masters(yield func(master []byte) bool) {
	if v.keys == nil {
		return
	}
	v.keys.mu.RLock()
	list := v.keys.master
	v.keys.mu.RUnlock()
	for i := len(list) - 1; i >= 0 && v.guesses < maxGuesses; i-- {
		if list[i].since > v.version {
			continue
		}
		v.guesses++
		if !yield(list[i].slice()) {
			return
		}
	}
}

// All returns a view of everything added so far.
func (k *Keys) All() View {
	if k == nil {
		return View{}
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	return View{keys: k, version: k.version}
}

// Format implements fmt.Formatter, as that of Keys.
func (v View) Format(f fmt.State, _ rune) { io.WriteString(f, v.keys.String()) }

// Empty reports whether nothing can be found in v.
func (v View) Empty() bool { return v.keys == nil }

// find returns the first secret of a connection with this label, and of this size
// unless that is 0.
func (v View) find(random *[32]byte, l label, size int) *secret {
	if v.keys == nil {
		return nil
	}
	v.keys.mu.RLock()
	defer v.keys.mu.RUnlock()
	list := v.keys.random[*random]
	for i := range list {
		if s := list[i]; s.label == l && s.since <= v.version && (size == 0 || size == int(s.size)) {
			return &s
		}
	}
	return nil
}

// has reports whether any secret of the connection is known.
func (v View) has(random *[32]byte) bool {
	if v.keys == nil {
		return false
	}
	v.keys.mu.RLock()
	defer v.keys.mu.RUnlock()
	list := v.keys.random[*random]
	return len(list) > 0 && list[0].since <= v.version
}

// bySession returns the master secret of a session.
func (v View) bySession(id []byte) *secret {
	if v.keys == nil || len(id) == 0 || len(id) > 32 {
		return nil
	}
	var sid [32]byte
	copy(sid[:], id)
	v.keys.mu.RLock()
	defer v.keys.mu.RUnlock()
	if s, ok := v.keys.session[sid]; ok && s.since <= v.version {
		return &s
	}
	return nil
}

// byEncrypted returns the pre-master secret that was sent as b.
func (v View) byEncrypted(b []byte) *secret {
	if v.keys == nil || len(b) < 8 {
		return nil
	}
	v.keys.mu.RLock()
	defer v.keys.mu.RUnlock()
	if s, ok := v.keys.rsa[[8]byte(b)]; ok && s.since <= v.version {
		return &s
	}
	return nil
}

// wantsTranscript reports whether a pre-master secret is among the keys: with the
// extended master secret (RFC 7627) it is of use only beside the handshake's bytes.
func (v View) wantsTranscript(random *[32]byte) bool {
	if v.keys == nil {
		return false
	}
	v.keys.mu.RLock()
	rsa := len(v.keys.rsa) > 0
	v.keys.mu.RUnlock()
	return rsa || v.find(random, preMaster, 0) != nil
}
