package bpf

import "fmt"

// An Error says what is wrong with an expression, and where.
type Error struct {
	Expr string
	Pos  int // of the first byte that is wrong, from 0; len(Expr) for the end
	Msg  string
}

func (e *Error) Error() string {
	if e.Pos >= len(e.Expr) {
		return fmt.Sprintf("at the end: %s", e.Msg)
	}
	return fmt.Sprintf("at byte %d, before %q: %s", e.Pos, excerpt(e.Expr[e.Pos:]), e.Msg)
}

// excerpt returns the beginning of s.
func excerpt(s string) string {
	const most = 20
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
