package http

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

func TestCompare(t *testing.T) {
	h := func(list ...string) (fields []exchange.Header) {
		for i := 0; i < len(list); i += 2 {
			fields = append(fields, exchange.Header{Name: list[i], Value: list[i+1]})
		}
		return fields
	}
	long := make([]string, 500)
	for i := range long {
		long[i] = fmt.Sprint("n", i/2)
	}
	for _, tt := range []struct {
		name               string
		recorded, received []exchange.Header
		was, is            string
		status             int32
		want               string
	}{
		{"equal", h("A", "1"), h("a", "1"), "x", "x", 200, ""},
		{"another status", nil, nil, "x", "x", 503, "status  200 503"},
		{"a field lost, one more, one changed", h("A", "1", "B", "2"), h("b", "3", "C", "4"), "", "", 200,
			"header_missing a 1 |header_value b 2 3|header_extra c  4"},
		{"fields that are not compared", h("Date", "1"), h("server-timing", "2"), "", "", 200, ""},
		{"the same values around another field", h("V", "1", "V", "2"), h("v", "1", "Date", "x", "V", "2"), "", "", 200, ""},
		{"values in another order", h("V", "1", "V", "2"), h("V", "2", "V", "1"), "", "", 200, "header_value v 1, 2 2, 1"},
		{"a value twice", h("V", "1"), h("V", "1", "V", "1"), "", "", 200, "header_value v 1 1, 1"},
		{"many fields", h(long...), h(long[2:]...), "", "", 200, "header_missing n0 n0 "},
		{"another body", nil, nil, "abc", "abd", 200, "body  3 bytes: abc 3 bytes: abd"},
		{"no text", nil, nil, "\xff\xfe", "\xff", 200, "body  2 bytes 1 bytes"},
		{"JSON written otherwise", nil, nil, `{"a":1,"b":[1.0]}`, `{ "b":[1], "a":1 }`, 200, ""},
		{"JSON with another value", nil, nil, `{"a":{"b":[1,2]}}`, `{"a":{"b":[1,3]}}`, 200, "json $.a.b[*] 2 3"},
		{"JSON with ignored places", nil, nil, `{"id":1,"l":[{"t":1,"v":2},{"t":2,"v":2}]}`, `{"id":2,"l":[{"t":3,"v":2},{"t":4,"v":2}]}`, 200, ""},
		{"JSON with a shorter list", nil, nil, `[1,2]`, `[1]`, 200, "json $ 2 elements 1 elements"},
		{"JSON with another type", nil, nil, `{"a":{}}`, `{"a":[]}`, 200, "json $.a {} []"},
		{"whole numbers beyond a float", nil, nil, `[9007199254740993]`, `[9007199254740992]`, 200, "json $[*] 9007199254740993 9007199254740992"},
		{"JSON and something else", nil, nil, `{"a":1}`, `{"a":1`, 200, `body  7 bytes: {"a":1} 6 bytes: {"a":1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ig, err := newIgnored(&Options{IgnoreHeaders: IgnoredHeaders(), IgnorePaths: []string{"$.id", "$.l[*].t"}})
			if err != nil {
				t.Fatal(err)
			}
			r := &exchange.Response{Status: 200}
			r.Headers, r.Body, r.BodySize = tt.recorded, []byte(tt.was), int64(len(tt.was))
			a := &answer{status: tt.status, fields: tt.received, body: []byte(tt.is), size: int64(len(tt.is)), whole: true}
			found, full := ig.compare(r, a)
			var got []string
			for _, d := range found {
				got = append(got, fmt.Sprint(d.kind, " ", d.name, " ", d.recorded, " ", d.received))
			}
			if strings.Join(got, "|") != tt.want || !full {
				t.Errorf("compare gives %q, want %q; full %t", strings.Join(got, "|"), tt.want, full)
			}
		})
	}
}

func TestABodyThatTheRecordLacks(t *testing.T) {
	text := strings.Repeat("x", 3*minKept)
	a := &answer{}
	read := func(limit int) {
		*a = answer{whole: true}
		if err := a.take(strings.NewReader(text), limit); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{minKept, maxKept} {
		read(limit)
		sum := a.sum()
		m := &exchange.Message{BodySize: int64(len(text)), BodySHA256: sum, Hashed: true}
		if equal, full := sameBody(m, a); !equal || !full {
			t.Errorf("by hash: equal %t, full %t", equal, full)
		}
		m.BodySHA256[0]++
		if equal, full := sameBody(m, a); equal || !full {
			t.Errorf("another hash: equal %t, full %t", equal, full)
		}
		m.Hashed = false
		if _, full := sameBody(m, a); full {
			t.Error("neither body nor hash, and full")
		}
		m.Gaps = []exchange.Gap{{}}
		if _, full := sameBody(m, a); full {
			t.Error("a hole, and full")
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"$.a.b[*].c", "[{a -1 false} {b -1 false} { -1 true} {c -1 false}]"},
		{"$['a.b'][3].*", "[{a.b -1 false} { 3 false} {* -1 true}]"},
		{"$", "error"}, {"", "error"}, {"a", "error"}, {"$a", "error"}, {"$.", "error"}, {"$[x]", "error"},
		{"$[-1]", "error"}, {"$['a", "error"}, {"$[1", "error"}, {"$..a", "error"},
	} {
		p, err := parsePath(tt.path)
		got := fmt.Sprint(p)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("parsePath(%q) = %s, %v; want %s", tt.path, got, err, tt.want)
		}
	}
}

// A value is equal to itself, comparing is symmetric, and no result grows beyond its bounds.
func FuzzCompareJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"d"}`), []byte(`{"a":[1,{"b":1}]}`), "$.a[*].b")
	f.Add([]byte(`[[[[1e5]]]]`), []byte(`[[[[100000]]]]`), "$[0]['x']")
	f.Fuzz(func(t *testing.T, a, b []byte, path string) {
		var ignore []jsonPath
		if p, err := parsePath(path); err == nil {
			ignore = append(ignore, p)
		}
		if found, ok := compareJSON(a, a, nil); ok && len(found) > 0 {
			t.Errorf("%q differs from itself: %v", a, found)
		}
		one, ok1 := compareJSON(a, b, ignore)
		two, ok2 := compareJSON(b, a, ignore)
		if ok1 != ok2 || len(one) != len(two) || len(one) > maxJSONDifferences {
			t.Errorf("%q, %q: %v, %v", a, b, one, two)
		}
		all, _ := compareJSON(a, b, nil)
		if len(all) < len(one) {
			t.Errorf("ignoring %s finds more: %v, %v", path, one, all)
		}
		for _, d := range one {
			if len(d.recorded) > maxText+8 || len(d.received) > maxText+8 {
				t.Errorf("a text of %d and %d bytes", len(d.recorded), len(d.received))
			}
		}
		if ok1 != (json.Valid(a) && json.Valid(b)) {
			t.Errorf("%q, %q: ok %t", a, b, ok1)
		}
	})
}
