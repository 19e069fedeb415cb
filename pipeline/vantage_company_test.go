package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/pcaptest"
)

// Very many tenants may have the same addresses and ports. What each said comes out
// once, and a list of those that may be copies of each other stays short.
func TestTenantsBeyondACompany(t *testing.T) {
	const tenants = 2*maxCompany + 10
	var b strings.Builder
	for i := range tenants {
		fmt.Fprintf(&b, "10.0.0.1:4000 > 10.0.0.2:80 \"GET /%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\" vxlan=%d ipid=%d flow=f%d\n", i, i+1, i+1, i)
	}
	for i := range tenants {
		fmt.Fprintf(&b, "10.0.0.2:80 > 10.0.0.1:4000 \"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nabc\" vxlan=%d ipid=%d flow=f%d\n", i+1, i+1, i)
	}
	f := extract(t, pcaptest.Build(t, b.String()), full, 0)
	if len(f.pairs) != tenants {
		t.Fatalf("%d pairs, want %d", len(f.pairs), tenants)
	}
	seen := make(map[string]bool)
	for _, p := range f.pairs {
		if p.State == exchange.Complete {
			seen[p.Request.Target] = true
		}
	}
	if len(seen) != tenants {
		t.Errorf("%d different requests that were answered, want %d", len(seen), tenants)
	}
}

func TestCompanyIsBounded(t *testing.T) {
	p := &partition{w: &worker{opt: &resolved{}}, tuples: make(map[exchange.FlowKey]*conn)}
	list := make([]*conn, 2*maxCompany)
	for i := range list {
		list[i] = &conn{}
		p.meet(list[i])
	}
	if n := list[0].company.size; n != maxCompany {
		t.Fatalf("a company of %d, want %d", n, maxCompany)
	}
	for _, c := range list {
		p.part(c)
	}
	if n := list[0].company.size; n != 0 || len(p.tuples) != 0 {
		t.Errorf("all parted: a company of %d, %d tuples", n, len(p.tuples))
	}
}
