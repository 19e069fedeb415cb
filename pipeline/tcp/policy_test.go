package tcp

import (
	"fmt"
	"testing"
)

// span is a segment of the overlap test: bytes from off, all of them letter.
type span struct {
	off, n int64
	letter byte
}

// model reassembles spans byte by byte: each byte belongs to the last copy that
// won it under the policy.
func model(policy Policy, spans []span) map[int64]byte {
	owner := map[int64]span{}
	for _, s := range spans {
		for b := s.off; b < s.off+s.n; b++ {
			old, taken := owner[b]
			if !taken || policy.later(old.off, old.off+old.n, s.off, s.off+s.n) {
				owner[b] = s
			}
		}
	}
	out := map[int64]byte{}
	for b, s := range owner {
		out[b] = s.letter
	}
	return out
}

// TestOverlaps plays every way in which up to three segments of up to four bytes
// can overlap, behind a hole that is filled last, under every policy.
func TestOverlaps(t *testing.T) {
	var all []span
	for off := int64(0); off < 4; off++ {
		for n := int64(1); off+n <= 5; n++ {
			all = append(all, span{off: off, n: n})
		}
	}
	check := func(policy Policy, spans ...span) {
		p := newPlayer(t)
		p.e.Policy = policy
		p.play(handshake...)
		for i := range spans {
			spans[i].letter = byte('A' + i)
			data := ""
			for range spans[i].n {
				data += string(spans[i].letter)
			}
			p.play(ev{off: 1 + spans[i].off, data: data})
		}
		p.play(ev{data: "-"})
		p.end()
		want := []byte("-")
		m := model(policy, spans)
		for b := int64(0); b < 5; b++ {
			if c, ok := m[b]; ok {
				want = append(want, c)
			}
		}
		if got := string(p.r.data[client]); got != string(want) {
			t.Errorf("%v: %+v give %s, want %s", policy, spans, got, want)
		}
	}
	for policy := range policyNames {
		for _, a := range all {
			for _, b := range all {
				check(Policy(policy), a, b)
				for _, c := range all {
					check(Policy(policy), a, b, c)
				}
			}
		}
	}
}

// TestPolicies shows what each policy makes of the usual example: an old segment,
// and a later one with other bytes.
func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		name       string
		start, end int64 // of the later segment; the old one is [10, 20)
		wins       string
	}{
		{"the same place", 10, 20, "last bsd-right solaris"},
		{"begins earlier, ends inside", 5, 15, "last bsd solaris linux"},
		{"begins earlier, ends later", 5, 25, "last bsd bsd-right linux windows solaris"},
		{"begins earlier, ends with it", 5, 20, "last bsd bsd-right linux solaris"},
		{"begins with it, ends inside", 10, 15, "last solaris"},
		{"begins with it, ends later", 10, 25, "last bsd-right linux solaris"},
		{"inside", 12, 18, "last"},
		{"begins inside, ends with it", 15, 20, "last bsd-right"},
		{"begins inside, ends later", 15, 25, "last bsd-right solaris"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]bool{}
			for i := range policyNames {
				want[policyNames[i]] = Policy(i).later(10, 20, tt.start, tt.end)
			}
			for name, later := range want {
				if has := contains(tt.wins, name); has != later {
					t.Errorf("%s: the later copy wins: %t, want %t", name, later, has)
				}
			}
		})
	}
}

func contains(list, name string) bool {
	var rest string
	for list != "" {
		n, err := fmt.Sscanf(list, "%s", &rest)
		if n != 1 || err != nil {
			return false
		}
		if rest == name {
			return true
		}
		list = list[min(len(list), len(rest)+1):]
	}
	return false
}

func TestParsePolicy(t *testing.T) {
	for i, name := range PolicyNames() {
		if p, err := ParsePolicy(name); err != nil || p != Policy(i) || p.String() != name {
			t.Errorf("ParsePolicy(%q) = %v, %v", name, p, err)
		}
	}
	if p, err := ParsePolicy(""); err != nil || p != First {
		t.Errorf("the empty name is %v, %v", p, err)
	}
	if _, err := ParsePolicy("amiga"); err == nil {
		t.Error("amiga is a policy")
	}
}
