package exchange

import "math/bits"

// An Anomaly is a named oddity of a pair, a connection or an input.
type Anomaly uint8

// Anomalies is a set of Anomaly.
type Anomalies [4]uint64

// Add puts a into the set.
func (s *Anomalies) Add(a Anomaly) { s[a>>6] |= 1 << (a & 63) }

// Has reports whether a is in the set.
func (s *Anomalies) Has(a Anomaly) bool { return s[a>>6]&(1<<(a&63)) != 0 }

// Merge adds all of t.
func (s *Anomalies) Merge(t *Anomalies) {
	for i := range s {
		s[i] |= t[i]
	}
}

// Empty reports whether nothing is in the set.
func (s *Anomalies) Empty() bool { return s[0]|s[1]|s[2]|s[3] == 0 }

// Append appends the names of the set to dst, in alphabetical order.
func (s *Anomalies) Append(dst []string) []string {
	for w, v := range s {
		for ; v != 0; v &= v - 1 {
			dst = append(dst, anomalyTable[w<<6+bits.TrailingZeros64(v)].name)
		}
	}
	return dst
}

// Each calls f for every anomaly of the set, in alphabetical order of the names.
func (s *Anomalies) Each(f func(Anomaly)) {
	for w, v := range s {
		for ; v != 0; v &= v - 1 {
			f(Anomaly(w<<6 + bits.TrailingZeros64(v)))
		}
	}
}

func (a Anomaly) String() string { return anomalyTable[a].name }

// Meaning is the sentence that docs/record.md gives for it.
func (a Anomaly) Meaning() string { return anomalyTable[a].meaning }

// AllAnomalies returns every anomaly there is, in alphabetical order.
func AllAnomalies() []Anomaly {
	all := make([]Anomaly, len(anomalyTable))
	for i := range all {
		all[i] = Anomaly(i)
	}
	return all
}
