package decap

import "testing"

func TestListIsConsistent(t *testing.T) {
	l := list()
	if n := len(NewDecoder(Options{}).counts) - int(dispHeader); len(l) > n {
		t.Errorf("%d encapsulations, room for %d", len(l), n)
	}
	names, from := map[string]bool{}, map[Proto]string{}
	claim := func(p Proto, name string) {
		if other, ok := from[p]; ok {
			t.Errorf("%s and %s both read %#x", other, name, p)
		}
		from[p] = name
	}
	for _, e := range l[1:] {
		if names[e.name] || e.name == "" || e.step == nil {
			t.Errorf("encapsulation %q: the name is there twice, or it has no step", e.name)
		}
		names[e.name] = true
		for _, p := range e.from {
			claim(p, e.name)
		}
		for _, p := range e.ports {
			claim(UDPPort(p), e.name)
		}
	}
}
