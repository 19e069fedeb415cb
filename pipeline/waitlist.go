package pipeline

// A waitlist is a queue of pairs that wait. Taking from its front and adding at its
// end cost the same however long it is. What was given out, or went over to another
// connection, leaves it when it comes to the front.
type waitlist struct {
	list []*waiting
	head int // list[head] is the front
	base int // how many left it
}

func (l *waitlist) push(w *waiting) {
	if l.head > 0 && len(l.list) == cap(l.list) {
		rest := copy(l.list, l.list[l.head:])
		clear(l.list[rest:])
		l.list, l.head = l.list[:rest], 0
	}
	l.list = append(l.list, w)
}

// front returns the front, nil where nobody waits.
func (l *waitlist) front() *waiting {
	if l.head == len(l.list) {
		return nil
	}
	return l.list[l.head]
}

func (l *waitlist) pop() {
	l.list[l.head] = nil
	l.head++
	l.base++
	if l.head == len(l.list) {
		l.list, l.head = l.list[:0], 0
	}
}

// all returns those that wait, oldest first.
func (l *waitlist) all() []*waiting { return l.list[l.head:] }

// at returns the one that came as number n, counted from the first that ever came; nil
// where it has left or is still to come.
func (l *waitlist) at(n int) *waiting {
	if i := l.head + n - l.base; i >= l.head && i < len(l.list) {
		return l.list[i]
	}
	return nil
}
