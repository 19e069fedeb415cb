package pipeline

import (
	"bytes"
	"slices"

	"recap/pipeline/exchange"
)

// likeness is what comparing two pairs of two taps gives.
type likeness uint8

const (
	unrelated likeness = iota // perhaps other places in their connections
	same
	whole    // the second is whole, and the first is the same but for holes
	contrary // the same place, but not the same content
)

// A content is a pair, or what is kept of one.
type content[T any] interface {
	same(T) bool
	covers(T) bool // holds all that the other holds
	agrees(T) bool // where both hold something it is the same
	known() int64  // about how many bytes it holds
}

// compare compares a waiting pair a, which stands at x, with b at y by all of their
// content. start says that both connections were seen from their start, so that their
// ordinals are comparable.
func compare[T content[T]](a, b T, x, y *spot, start bool) likeness {
	at := x.meets(y)
	if at == elsewhere || at == nowhere && (start && x.ordinal != y.ordinal || !x.near(y)) {
		return unrelated
	}
	switch {
	case x.state == y.state && a.same(b):
		return same
	case b.covers(a):
		return whole
	case a.covers(b):
		return same
	case x.state == exchange.Complete && y.state == exchange.Complete:
		if start || at == here {
			return contrary
		}
	case at == here && a.agrees(b): // both have holes
		if y.state == exchange.Complete || x.state != exchange.Complete && b.known() > a.known() {
			return whole
		}
		return same
	}
	return unrelated
}

// A fullPair is a pair with all of its content.
type fullPair struct{ *exchange.Pair }

func (p fullPair) agrees(q fullPair) bool {
	return agree(&p.Request.Message, &q.Request.Message) && agree(&p.Response.Message, &q.Response.Message)
}

func (p fullPair) known() int64 { return known(&p.Request.Message) + known(&p.Response.Message) }

func (p fullPair) same(q fullPair) bool {
	return sameMessage(&p.Request.Message, &q.Request.Message) && sameMessage(&p.Response.Message, &q.Response.Message)
}

func (p fullPair) covers(q fullPair) bool {
	return covers(&p.Request.Message, &q.Request.Message) && covers(&p.Response.Message, &q.Response.Message)
}

func sameMessage(a, b *exchange.Message) bool {
	return a.Present == b.Present && a.BodySize == b.BodySize && a.Hashed == b.Hashed && a.BodySHA256 == b.BodySHA256 &&
		slices.Equal(a.Gaps, b.Gaps) && bytes.Equal(a.Head, b.Head) && bytes.Equal(a.Body, b.Body)
}

// cutInHead reports whether the capture ends, or has a hole, inside the head of m.
func cutInHead(m *exchange.Message) bool {
	return m.BodySize == 0 && !m.HasBody && !bytes.HasSuffix(m.Head, []byte("\r\n\r\n")) && !bytes.HasSuffix(m.Head, []byte("\n\n"))
}

// covers reports whether a holds all that b holds of the same message: b lacks it
// altogether, or has holes where a has bytes.
func covers(a, b *exchange.Message) bool {
	if !b.Present {
		return true
	}
	if n := len(b.Head); a.Present && 0 < n && n < len(a.Head) && cutInHead(b) {
		return bytes.HasPrefix(a.Head, b.Head)
	}
	if !a.Present || !bytes.Equal(a.Head, b.Head) || a.ContentEncoding != "" && len(b.Gaps) > 0 {
		return false
	}
	if len(b.Gaps) == 0 || len(a.Gaps) > 0 {
		return sameMessage(a, b)
	}
	rest := b.Body
	at := int64(0)
	for _, g := range b.Gaps {
		n := g.Offset - at
		if n < 0 || n > int64(len(rest)) || at+n > int64(len(a.Body)) || !bytes.Equal(a.Body[at:at+n], rest[:n]) || g.Length < 0 {
			return false
		}
		rest, at = rest[n:], g.Offset+g.Length
	}
	return at+int64(len(rest)) == int64(len(a.Body)) && bytes.Equal(a.Body[at:], rest)
}
