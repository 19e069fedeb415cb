package quic

import "slices"

// ranges is a set of numbers, kept as runs. Where there are too many runs the lowest two
// become one: numbers between them then count as members.
type ranges struct {
	runs []run // rising, apart
}

// A run holds the numbers from lo up to, not with, hi.
type run struct{ lo, hi int64 }

// maxRuns bounds the runs of a set.
const maxRuns = 4096

// add puts n into the set, and reports whether it was not in it.
func (r *ranges) add(n int64) bool {
	if k := len(r.runs); k > 0 && r.runs[k-1].hi == n { // nearly always
		r.runs[k-1].hi++
		return true
	}
	i, ok := r.find(n)
	if ok {
		return false
	}
	before, behind := i > 0 && r.runs[i-1].hi == n, i < len(r.runs) && r.runs[i].lo == n+1
	switch {
	case before && behind:
		r.runs[i-1].hi = r.runs[i].hi
		r.runs = slices.Delete(r.runs, i, i+1)
	case before:
		r.runs[i-1].hi++
	case behind:
		r.runs[i].lo--
	default:
		r.runs = slices.Insert(r.runs, i, run{n, n + 1})
	}
	if len(r.runs) > maxRuns {
		r.runs[1].lo = r.runs[0].lo
		r.runs = slices.Delete(r.runs, 0, 1)
	}
	return true
}

// find returns the run that holds n, or where one that does belongs.
func (r *ranges) find(n int64) (i int, ok bool) {
	return slices.BinarySearchFunc(r.runs, n, func(a run, n int64) int {
		switch {
		case a.hi <= n:
			return -1
		case a.lo > n:
			return 1
		}
		return 0
	})
}

// has reports whether n is in the set.
func (r *ranges) has(n int64) bool {
	_, ok := r.find(n)
	return ok
}

func (r *ranges) memory() int64 { return 16 * int64(len(r.runs)) }
