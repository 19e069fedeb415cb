package tcp

import "fmt"

// Policy says which copy of overlapping data counts while neither was delivered
// yet. Data that was delivered is never replaced. The policies are those that
// target-based reassembly knows (Ptacek and Newsham 1998; Novak and Sturges 2007).
type Policy uint8

// Policies. First is the default.
const (
	First Policy = iota
	Last
	BSD      // the copy that begins earlier; the first of two that begin together
	BSDRight // the later copy, unless the first ends after it
	Linux    // as BSD, but of two that begin together the longer
	Windows  // the first copy, unless the later one begins before and ends after it
	Solaris  // the later copy, unless the first begins before it and ends at or after its end
)

var policyNames = [...]string{"first", "last", "bsd", "bsd-right", "linux", "windows", "solaris"}

func (p Policy) String() string { return policyNames[p] }

// PolicyNames lists what ParsePolicy knows.
func PolicyNames() []string { return policyNames[:] }

// ParsePolicy returns the policy of that name; the empty name is the default.
func ParsePolicy(name string) (Policy, error) {
	if name == "" {
		return First, nil
	}
	for i, n := range policyNames {
		if n == name {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("unknown overlap policy %q", name)
}

// later reports whether the later segment [start, end) wins over the earlier one [oldStart, oldEnd).
func (p Policy) later(oldStart, oldEnd, start, end int64) bool {
	switch p {
	case Last:
		return true
	case BSD:
		return start < oldStart
	case BSDRight:
		return oldEnd <= end
	case Linux:
		return start < oldStart || start == oldStart && end > oldEnd
	case Windows:
		return start < oldStart && end > oldEnd
	case Solaris:
		return !(oldStart < start && oldEnd >= end)
	}
	return false
}
