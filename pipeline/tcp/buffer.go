package tcp

import "recap/pipeline/exchange"

// buffer keeps a copy of k until what is before it has come. Where it overlaps
// data that waits already, the policy says which copy counts.
func (c *Conn) buffer(e *Env, side int, h Handler, k *chunk) {
	x := &c.Halves[side]
	rest := *k
	for i := x.q.find(rest.off); len(rest.data) > 0 || rest.cut > 0; {
		if i >= x.q.len() || x.q.at(i).off >= rest.next() {
			c.put(x, i, rest)
			return
		}
		n := x.q.at(i).off - rest.off
		if n > 0 { // the part before that chunk
			c.put(x, i, first(rest, n))
			i++
		} else {
			n = min(x.q.at(i).next(), rest.next()) - rest.off
			i = c.overlap(e, side, h, i, &rest, n)
		}
		rest = advance(rest, n)
	}
}

// first returns the first n bytes of k.
func first(k chunk, n int64) chunk {
	if d := int64(len(k.data)); n <= d {
		k.data, k.cut, k.why = k.data[:n:n], 0, notCut
	} else {
		k.cut = n - d
	}
	return k
}

// advance drops the first n bytes of k.
func advance(k chunk, n int64) chunk {
	d := min(n, int64(len(k.data)))
	k.data = k.data[d:]
	k.cut -= n - d
	k.off += n
	return k
}

// put inserts a copy of k before index i.
func (c *Conn) put(x *Half, i int, k chunk) {
	k.data = append([]byte(nil), k.data...)
	x.q.insert(i, &k)
}

// overlap holds the first n bytes of k against chunk i, which has them too. Bytes
// count as duplicates or conflicts; k's take the place of those that the policy
// gives up, and of those that were cut from chunk i. It returns the index of the
// first chunk behind them.
func (c *Conn) overlap(e *Env, side int, h Handler, i int, k *chunk, n int64) int {
	x := &c.Halves[side]
	o := x.q.at(i)
	at := k.off - o.off
	have := min(n, int64(len(k.data)))
	both := min(have, max(0, int64(len(o.data))-at))
	x.sentAgain(max(0, both))
	if both > 0 {
		var differ int64
		if a, b := o.data[at:at+both], k.data[:both]; string(a) != string(b) {
			for j := range a {
				if a[j] != b[j] {
					if differ++; differ == 1 {
						x.conflict(k.off+int64(j), k.at.Number, a[j:], b[j:])
					}
				}
			}
			if !tellConflict(h, side, k.off, a, b) {
				c.Anomalies.Add(exchange.AnomalyOverlapConflict)
			}
		}
		x.ConflictBytes += differ
		x.DuplicateBytes += both - differ
	}
	from := both
	if both > 0 && e.Policy.later(o.start, o.end, k.start, k.end) {
		from = 0
	}
	if from < have {
		if at+from > 0 {
			x.q.split(i, o.off+at+from)
			i++
		}
		if x.q.at(i).next() > k.off+have {
			x.q.split(i, k.off+have)
		}
		o = x.q.at(i)
		part := first(advance(*k, from), have-from)
		part.hold, part.at.Acked = o.hold, o.at.Acked // said when the first copy was
		if k.lent && at+from >= int64(len(o.data)) {
			part.at = o.at // that was the packet
		}
		x.q.remove(i)
		c.put(x, i, part)
	}
	for i < x.q.len() && x.q.at(i).off < k.off+n {
		i++
	}
	return i
}
