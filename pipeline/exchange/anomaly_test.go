package exchange

import (
	"slices"
	"testing"
)

// Sets list themselves by value, and must come out sorted by name.
func TestAnomaliesAreSorted(t *testing.T) {
	var all Anomalies
	for _, a := range AllAnomalies() {
		if a.String() == "" || a.Meaning() == "" {
			t.Errorf("anomaly %d has no name or no meaning", a)
		}
		all.Add(a)
	}
	names := all.Append(nil)
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(AllAnomalies()) {
		t.Errorf("names are not sorted, or come twice: %v", names)
	}
}

func TestAnomaliesIsASet(t *testing.T) {
	var a, b Anomalies
	if !a.Empty() || a.Has(AnomalyRST) {
		t.Error("the zero set holds something")
	}
	a.Add(AnomalyRST)
	b.Add(AnomalyBadCL)
	a.Merge(&b)
	if !a.Has(AnomalyRST) || !a.Has(AnomalyBadCL) || a.Has(AnomalyDupCL) || b.Has(AnomalyRST) || a.Empty() {
		t.Errorf("sets are %v and %v", a.Append(nil), b.Append(nil))
	}
	var each []string
	a.Each(func(x Anomaly) { each = append(each, x.String()) })
	if !slices.Equal(each, a.Append(nil)) || !slices.Equal(each, []string{"bad_cl", "rst"}) {
		t.Errorf("Each gives %v, Append %v", each, a.Append(nil))
	}
}
