package pipeline

import (
	"crypto/sha256"
	"strings"

	"recap/pipeline/exchange"
)

// Messages of a pair that several taps saw are given out once, like the pair. Those
// that come before the pair wait for its fate. Those that come after it, of a
// WebSocket, are counted by content: what one tap has shown, its copies do not show
// again.

// streams is what a connection knows of the messages of its pairs.
type streams struct {
	held  []*exchange.StreamMessage // of pairs that are still to come
	bytes int64                     // of held
	early map[exchange.ID]bool      // pairs of which messages are given out as they come
	later map[exchange.ID]*waiting  // pairs that came, and of which messages still may
}

// messageCost is about what a message takes beside its payload, bytes.
const messageCost = 300

func costOf(list []*exchange.StreamMessage) (n int64) {
	for _, m := range list {
		n += messageCost + int64(len(m.Payload))
	}
	return n
}

// message takes a message of the connection.
func (c *conn) message(m *exchange.StreamMessage) {
	s := &c.streams
	w := s.later[m.PairID]
	if w != nil && !w.open && c.company == nil && !c.young() { // nobody else shows it
		delete(s.later, m.PairID)
		s.begin(m.PairID)
		w = nil
	}
	switch {
	case w != nil:
		w.message(c, m)
	case !s.early[m.PairID] && (c.company != nil || c.young() && c.part.mayMirror(c.clock)):
		s.held = append(s.held, m)
		s.bytes += messageCost + int64(len(m.Payload))
	default:
		if !s.early[m.PairID] && !c.part.w.opt.split {
			if len(s.held) > 0 {
				s.releaseOf(m.PairID, c.part.w.env.Message)
			}
			s.begin(m.PairID)
		}
		c.part.w.env.Message(m)
	}
}

// begin notes that messages of a pair are given out as they come.
func (s *streams) begin(id exchange.ID) {
	if s.early == nil {
		s.early = make(map[exchange.ID]bool)
	}
	s.early[id] = true
}

// release gives out what waits for pairs that will not come.
func (s *streams) release(give func(*exchange.StreamMessage)) {
	for _, m := range s.held {
		give(m)
	}
	s.held, s.bytes = nil, 0
}

// releaseOf gives out what waits for a pair, of which more is given out as it comes.
func (s *streams) releaseOf(id exchange.ID, give func(*exchange.StreamMessage)) {
	list, _ := s.messagesOf(id)
	for _, m := range list {
		give(m)
	}
}

// messagesOf takes the messages of a pair out of those that wait; early says that
// others were given out.
func (s *streams) messagesOf(id exchange.ID) (list []*exchange.StreamMessage, early bool) {
	early = s.early[id]
	delete(s.early, id)
	rest := s.held[:0]
	for _, m := range s.held {
		if m.PairID == id {
			list = append(list, m)
		} else {
			rest = append(rest, m)
		}
	}
	clear(s.held[len(rest):])
	s.held = rest
	s.bytes -= costOf(list)
	return list, early
}

// goesOn reports whether messages of p come after it: those of a WebSocket that a
// connection of HTTP/1 was handed over to.
func goesOn(p *exchange.Pair) bool {
	return p.Kind == "websocket" && strings.HasPrefix(p.Protocol, "HTTP/1")
}

// alone gives out the messages of a pair that waits for no copy, which is given out next.
func (c *conn) alone(p *exchange.Pair, messages []*exchange.StreamMessage) {
	for _, m := range messages {
		c.part.w.env.Message(m)
	}
	if goesOn(p) && !c.part.w.opt.split {
		c.streams.begin(p.ID)
	}
}

// follow lets w have the messages of c that belong to p, w's pair or a copy of it.
func (w *waiting) follow(c *conn, p *exchange.Pair) {
	if !goesOn(p) {
		return
	}
	if c.streams.later == nil {
		c.streams.later = make(map[exchange.ID]*waiting)
	}
	c.streams.later[p.ID] = w
	if w.said == nil {
		w.said = make(map[saying]*times)
	}
}

// saying is all of a message but when it was said.
type saying struct {
	dir     exchange.Dir
	typ     string
	size    int64
	sum     [32]byte
	partial bool
}

// times counts how often something was said.
type times struct {
	given int           // out
	by    map[*conn]int // seen
	last  int64         // when, by the capture clock
}

// maxSayings is from how many on those are forgotten that all taps have shown.
const maxSayings = 1024

// message takes a message of c behind the pair, and gives it out unless another tap has shown it.
func (w *waiting) message(c *conn, m *exchange.StreamMessage) {
	k := saying{m.Dir, m.Type, m.Size, m.SHA256, m.Partial}
	if !m.Hashed {
		k.sum = sha256.Sum256(m.Payload)
	}
	t := w.said[k]
	if t == nil {
		w.forget(c.clock)
		t = &times{by: make(map[*conn]int)}
		w.said[k] = t
	}
	t.last = c.clock
	if t.by[c]++; t.by[c] <= t.given {
		return
	}
	t.given++
	m.Ordinal = w.next
	w.next++
	if w.open {
		w.messages = append(w.messages, m)
		w.grow(messageCost + int64(len(m.Payload)))
		return
	}
	m.PairID, m.Conn = w.id, w.c.info
	c.part.w.env.Message(m)
}

// forget keeps the table small: what all taps have shown, and what none can show any more, goes.
func (w *waiting) forget(clock int64) {
	if len(w.said) < maxSayings {
		return
	}
	for k, t := range w.said {
		even := len(t.by) == len(w.by)+1
		for _, n := range t.by {
			even = even && n == t.given
		}
		if even || t.last < clock-vantageTime {
			delete(w.said, k)
		}
	}
	if len(w.said) >= 2*maxSayings {
		clear(w.said)
	}
}

// grow notes that w holds n bytes more.
func (w *waiting) grow(n int64) {
	w.size += n
	w.c.waitingBytes += n
}

// giveMessages gives out the messages that waited with the pair.
func (w *waiting) giveMessages() {
	for _, m := range w.messages {
		m.PairID, m.Conn = w.id, w.c.info
		w.c.part.w.env.Message(m)
	}
	w.messages = nil
}
