package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A jsonPath names places in a JSON value: $.items[*].id.
type jsonPath []jsonStep

// A jsonStep leads to one member or element, or to every one.
type jsonStep struct {
	name  string
	index int // -1 for a member
	all   bool
}

// parsePath reads $, .name, ['name'], [3], [*] and .*; a name behind a dot goes to the next dot or bracket.
func parsePath(s string) (jsonPath, error) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok || rest == "" {
		return nil, fmt.Errorf("path %q: want $.name, $[3], $[*] or the like", s)
	}
	var p jsonPath
	for rest != "" {
		var step jsonStep
		var err error
		if step, rest, err = parseStep(rest); err != nil {
			return nil, fmt.Errorf("path %q: %w", s, err)
		}
		p = append(p, step)
	}
	return p, nil
}

func parseStep(s string) (step jsonStep, rest string, err error) {
	step.index = -1
	switch {
	case strings.HasPrefix(s, "['"):
		name, rest, ok := strings.Cut(s[2:], "']")
		if !ok {
			return step, "", fmt.Errorf("['%s has no end", s[2:])
		}
		step.name = name
		return step, rest, nil
	case s[0] == '[':
		inside, rest, ok := strings.Cut(s[1:], "]")
		if !ok {
			return step, "", fmt.Errorf("%s has no end", s)
		}
		if inside == "*" {
			step.all = true
			return step, rest, nil
		}
		step.index, err = strconv.Atoi(inside)
		if err != nil || step.index < 0 {
			return step, "", fmt.Errorf("index %q", inside)
		}
		return step, rest, nil
	case s[0] != '.':
		return step, "", fmt.Errorf("want . or [ before %q", s)
	}
	end := strings.IndexAny(s[1:], ".[") + 1
	if end == 0 {
		end = len(s)
	}
	step.name, rest = s[1:end], s[end:]
	step.all = step.name == "*"
	if step.name == "" {
		return step, "", fmt.Errorf("a name is empty")
	}
	return step, rest, nil
}

func (s *jsonStep) member(name string) bool { return s.all || s.index < 0 && s.name == name }
func (s *jsonStep) element(i int) bool      { return s.all || s.index == i }

// maxJSONDifferences bounds what one pair of bodies may differ in.
const maxJSONDifferences = 20

// A jsonComparison collects where two values differ.
type jsonComparison struct {
	found []difference
	path  []byte
}

// compareJSON returns the places where two JSON texts differ, but for ignored ones; ok is
// false where one is no JSON text. Elements of arrays are named [*], so that places can
// be counted.
func compareJSON(recorded, received []byte, ignore []jsonPath) (found []difference, ok bool) {
	a, err := parseJSON(recorded)
	if err != nil {
		return nil, false
	}
	b, err := parseJSON(received)
	if err != nil {
		return nil, false
	}
	c := jsonComparison{path: []byte("$")}
	c.values(a, b, ignore)
	return c.found, true
}

func parseJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

func (c *jsonComparison) values(a, b any, ignore []jsonPath) {
	if len(c.found) >= maxJSONDifferences {
		return
	}
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			c.objects(a, b, ignore)
			return
		}
	case []any:
		if b, ok := b.([]any); ok {
			c.arrays(a, b, ignore)
			return
		}
	case json.Number:
		if b, ok := b.(json.Number); ok && sameNumber(a, b) {
			return
		}
	default:
		switch b.(type) {
		case map[string]any, []any:
		default:
			if a == b {
				return
			}
		}
	}
	c.note(jsonText(a), jsonText(b))
}

func (c *jsonComparison) note(recorded, received string) {
	c.found = append(c.found, difference{kind: diffJSON, name: string(c.path), recorded: recorded, received: received})
}

func (c *jsonComparison) objects(a, b map[string]any, ignore []jsonPath) {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		rest, skip := under(ignore, func(s *jsonStep) bool { return s.member(name) })
		if skip {
			continue
		}
		length := len(c.path)
		c.path = appendMember(c.path, name)
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case !inA:
			c.note("", jsonText(y))
		case !inB:
			c.note(jsonText(x), "")
		default:
			c.values(x, y, rest)
		}
		c.path = c.path[:length]
		if len(c.found) >= maxJSONDifferences {
			return
		}
	}
}

func (c *jsonComparison) arrays(a, b []any, ignore []jsonPath) {
	length := len(c.path)
	defer func() { c.path = c.path[:length] }()
	c.path = append(c.path, "[*]"...)
	for i := range max(len(a), len(b)) {
		rest, skip := under(ignore, func(s *jsonStep) bool { return s.element(i) })
		if skip {
			continue
		}
		if i >= len(a) || i >= len(b) {
			c.path = c.path[:length]
			c.note(fmt.Sprintf("%d elements", len(a)), fmt.Sprintf("%d elements", len(b)))
			return
		}
		c.values(a[i], b[i], rest)
		if len(c.found) >= maxJSONDifferences {
			return
		}
	}
}

// under returns what is left of the paths that lead on; skip says that one ends here.
func under(paths []jsonPath, leads func(*jsonStep) bool) (rest []jsonPath, skip bool) {
	for _, p := range paths {
		if !leads(&p[0]) {
			continue
		}
		if len(p) == 1 {
			return nil, true
		}
		rest = append(rest, p[1:])
	}
	return rest, false
}

func appendMember(path []byte, name string) []byte {
	if name == "" || strings.ContainsAny(name, ".[]'") {
		return append(append(append(path, "['"...), shortText(name)...), "']"...)
	}
	return append(append(path, '.'), shortText(name)...)
}

// sameNumber compares values where one is written as a fraction or with an exponent,
// else texts: whole numbers may be longer than a float64 is exact.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(string(a+b), ".eE") {
		return false
	}
	x, err1 := a.Float64()
	y, err2 := b.Float64()
	return err1 == nil && err2 == nil && x == y
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return shortText(string(b))
}
