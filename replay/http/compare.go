package http

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"recap/pipeline/exchange"
)

// Kinds of difference between a response and the recorded one.
const (
	diffStatus  = "status"
	diffMissing = "header_missing" // recorded, not received
	diffExtra   = "header_extra"   // received, not recorded
	diffHeader  = "header_value"
	diffBody    = "body"
	diffJSON    = "json" // a place in two JSON bodies
	diffCoding  = "undecodable"
)

// A difference is one between two responses. name is a field's name or a place.
type difference struct {
	kind, name, recorded, received string
}

// ignored is what is not compared.
type ignored struct {
	fields map[string]bool
	paths  []jsonPath
}

func newIgnored(o *Options) (ignored, error) {
	ig := ignored{fields: make(map[string]bool, len(o.IgnoreHeaders))}
	for _, name := range o.IgnoreHeaders {
		ig.fields[strings.ToLower(name)] = true
	}
	for _, s := range o.IgnorePaths {
		p, err := parsePath(s)
		if err != nil {
			return ig, err
		}
		ig.paths = append(ig.paths, p)
	}
	return ig, nil
}

// compare returns how a differs from the recorded response. full is false where the
// record cannot tell of the whole body.
func (ig *ignored) compare(r *exchange.Response, a *answer) (found []difference, full bool) {
	if r.Status != a.status {
		found = append(found, difference{diffStatus, "", strconv.Itoa(int(r.Status)), strconv.Itoa(int(a.status))})
	}
	found = ig.headers(found, r.Headers, a.fields)
	found = ig.headers(found, r.Trailers, a.trailers)
	if a.decode != nil {
		return append(found, difference{diffCoding, "", "", a.decode.Error()}), true
	}
	equal, full := sameBody(&r.Message, a)
	if !full || equal {
		return found, full
	}
	stored := int64(len(r.Body)) == r.BodySize
	if stored && a.whole && mayBeJSON(r.Body) && mayBeJSON(a.body) {
		if places, ok := compareJSON(r.Body, a.body, ig.paths); ok {
			return append(found, places...), true
		}
	}
	return append(found, difference{diffBody, "", bodyText(r.Body, r.BodySize), bodyText(a.body, a.size)}), true
}

// sameBody compares by bytes where both are at hand, else by hash; full is false
// where the record has neither.
func sameBody(m *exchange.Message, a *answer) (equal, full bool) {
	switch {
	case len(m.Gaps) > 0 && !m.Hashed:
		return false, false
	case m.BodySize != a.size:
		return false, m.Hashed || int64(len(m.Body)) == m.BodySize
	case int64(len(m.Body)) == m.BodySize && a.whole:
		return bytes.Equal(m.Body, a.body), true
	case m.Hashed:
		return m.BodySHA256 == a.sum(), true
	}
	return false, false
}

func mayBeJSON(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

// headers compares the values of each name in their order, whatever stands between.
func (ig *ignored) headers(found []difference, recorded, received []exchange.Header) []difference {
	if len(recorded)+len(received) > 200 {
		return ig.many(found, recorded, received)
	}
	for i := range recorded {
		name := recorded[i].Name
		if first(recorded, name) != i || ig.name(name) {
			continue
		}
		if k := first(received, name); k < 0 {
			found = append(found, difference{diffMissing, strings.ToLower(name), shortText(recorded[i].Value), ""})
		} else if !sameValues(recorded[i:], received[k:], name) {
			found = append(found, difference{diffHeader, strings.ToLower(name), values(recorded, name), values(received, name)})
		}
	}
	for i := range received {
		name := received[i].Name
		if first(received, name) == i && first(recorded, name) < 0 && !ig.name(name) {
			found = append(found, difference{diffExtra, strings.ToLower(name), "", shortText(received[i].Value)})
		}
	}
	return found
}

// many is headers for lists that are too long to go through again and again: it looks
// at the first values only.
func (ig *ignored) many(found []difference, recorded, received []exchange.Header) []difference {
	index := func(list []exchange.Header) map[string]string {
		m := make(map[string]string, len(list))
		for i := range list {
			name := strings.ToLower(list[i].Name)
			if _, ok := m[name]; !ok && !ig.name(name) {
				m[name] = list[i].Value
			}
		}
		return m
	}
	a, b := index(recorded), index(received)
	for name, v := range a {
		if w, ok := b[name]; !ok {
			found = append(found, difference{diffMissing, strings.Clone(name), shortText(v), ""})
		} else if v != w {
			found = append(found, difference{diffHeader, strings.Clone(name), shortText(v), shortText(w)})
		}
	}
	for name, w := range b {
		if _, ok := a[name]; !ok {
			found = append(found, difference{diffExtra, strings.Clone(name), "", shortText(w)})
		}
	}
	return found
}

func (ig *ignored) name(name string) bool {
	if strings.HasPrefix(name, ":") {
		return true
	}
	return has(ig.fields, name)
}

// has reports whether a set of lower-case names holds name, in whatever case.
func has(set map[string]bool, name string) bool {
	var b [64]byte
	if len(name) > len(b) {
		return set[strings.ToLower(name)]
	}
	for i := range len(name) {
		b[i] = lower(name[i])
	}
	return set[string(b[:len(name)])]
}

func first(list []exchange.Header, name string) int {
	for i := range list {
		if same(list[i].Name, name) {
			return i
		}
	}
	return -1
}

// sameValues reports whether two lists hold the same values of name in the same order.
func sameValues(a, b []exchange.Header, name string) bool {
	for {
		i, k := first(a, name), first(b, name)
		if i < 0 || k < 0 {
			return i == k
		}
		if a[i].Value != b[k].Value {
			return false
		}
		a, b = a[i+1:], b[k+1:]
	}
}

func values(list []exchange.Header, name string) string {
	var all []string
	for i := range list {
		if same(list[i].Name, name) {
			all = append(all, list[i].Value)
		}
	}
	return shortText(strings.Join(all, ", "))
}

// maxText bounds a text of an example, bytes.
const maxText = 160

// shortText returns the beginning of s, in memory of its own, as valid UTF-8.
func shortText(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.Clone(strings.ToValidUTF8(s, "\uFFFD"))
}

func bodyText(b []byte, size int64) string {
	if len(b) == 0 || !utf8.Valid(b[:min(len(b), maxText/2)]) {
		return fmt.Sprintf("%d bytes", size)
	}
	return fmt.Sprintf("%d bytes: %s", size, shortText(string(b[:min(len(b), maxText)])))
}
