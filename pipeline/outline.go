package pipeline

import (
	"hash/maphash"
	"slices"

	"recap/pipeline/exchange"
)

// An outline is what a reading that only counts keeps of a pair that waits for its
// copies: enough to know them by, and to count it.
type outline struct {
	state     exchange.State
	anomalies exchange.Anomalies
	messages  [2]messageOutline // request, response
}

// A messageOutline is what an outline keeps of a message.
type messageOutline struct {
	present bool
	coded   bool   // the body has a content coding
	cut     bool   // in its head
	length  int    // of the head
	head    uint64 // sums of the bytes
	body    uint64
	size    int64 // of the body
	gaps    []exchange.Gap
}

// outlineOf returns the outline of p. Only those made with one seed compare.
func outlineOf(p *exchange.Pair, seed maphash.Seed) outline {
	return outline{
		state: p.State, anomalies: p.Anomalies,
		messages: [2]messageOutline{outlineOfMessage(&p.Request.Message, seed), outlineOfMessage(&p.Response.Message, seed)},
	}
}

// outlineOfHeads returns the outline of p without sums of its bodies.
func outlineOfHeads(p *exchange.Pair, seed maphash.Seed) outline {
	o := outline{state: p.State}
	for i, m := range [...]*exchange.Message{&p.Request.Message, &p.Response.Message} {
		o.messages[i] = messageOutline{present: m.Present, cut: cutInHead(m), length: len(m.Head), head: maphash.Bytes(seed, m.Head), size: m.BodySize, gaps: m.Gaps}
	}
	return o
}

func outlineOfMessage(m *exchange.Message, seed maphash.Seed) messageOutline {
	o := messageOutline{
		present: m.Present, coded: m.ContentEncoding != "", cut: cutInHead(m),
		length: len(m.Head), head: maphash.Bytes(seed, m.Head), size: m.BodySize,
	}
	if len(m.Gaps) > 0 {
		o.gaps = slices.Clone(m.Gaps)
	}
	if len(m.Body) > 0 {
		o.body = maphash.Bytes(seed, m.Body)
	}
	if m.Hashed {
		o.body ^= maphash.Bytes(seed, m.BodySHA256[:])
	}
	return o
}

// outlineCost is about what a pair takes that waits as its outline, bytes.
const outlineCost = 400

func (o *outline) same(b *outline) bool {
	return o.messages[0].same(&b.messages[0]) && o.messages[1].same(&b.messages[1])
}

func (o *outline) covers(b *outline) bool {
	return o.messages[0].covers(&b.messages[0]) && o.messages[1].covers(&b.messages[1])
}

func (o *outline) agrees(b *outline) bool {
	return o.messages[0].agrees(&b.messages[0]) && o.messages[1].agrees(&b.messages[1])
}

func (o *outline) known() int64 { return o.messages[0].known() + o.messages[1].known() }

func (m *messageOutline) same(b *messageOutline) bool {
	return m.present == b.present && m.head == b.head && m.body == b.body && m.size == b.size && slices.Equal(m.gaps, b.gaps)
}

// covers is what it is for messages, but for the bytes around holes, which are not
// kept: the head, and the size of the body, must do, and in front of a cut head
// nothing. See [candidate.judge] for what is asked beside.
func (m *messageOutline) covers(b *messageOutline) bool {
	switch {
	case !b.present:
		return true
	case m.present && b.cut && 0 < b.length && b.length < m.length:
		return true
	case !m.present || m.head != b.head || m.coded && len(b.gaps) > 0:
		return false
	case len(b.gaps) == 0 || len(m.gaps) > 0:
		return m.same(b)
	}
	last := b.gaps[len(b.gaps)-1]
	return last.Length >= 0 && last.Offset+last.Length <= m.size && b.size <= m.size
}

// agrees is what [agree] is for messages, as far as heads tell.
func (m *messageOutline) agrees(b *messageOutline) bool {
	return !m.present || !b.present || m.cut || b.cut || m.head == b.head
}

func (m *messageOutline) known() int64 {
	if !m.present {
		return 0
	}
	n := 1 + int64(m.length) + m.size
	for _, g := range m.gaps {
		n -= max(0, g.Length)
	}
	return n
}
