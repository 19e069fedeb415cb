package blob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestPages puts a listing together of pages that fail now and then.
func TestPages(t *testing.T) {
	book := map[string][2]string{"": {"a b", "2"}, "2": {"", "3"}, "3": {"c", ""}}
	for _, tt := range []struct {
		name   string
		most   int
		broken string // answers about this page fail once
		gone   string // and about this one always
		want   string
	}{
		{"all pages", 0, "", "", "a b c"},
		{"no more than are wanted", 1, "", "", "a b"},
		{"a page that fails once is asked for again, and no other", 0, "2", "", "a b c"},
		{"a page that cannot be had", 0, "", "3", "error: server answers 404 Not Found"},
	} {
		s := NewStore(Options{Pause: time.Nanosecond})
		failed := false
		asked := map[string]int{}
		list, err := s.pages(context.Background(), tt.most, func(_ context.Context, next string) ([]Object, string, error) {
			asked[next]++
			switch {
			case next != "" && next == tt.broken && !failed:
				failed = true
				return nil, "lost", errors.New("connection reset")
			case next != "" && next == tt.gone:
				return nil, "", &statusError{status: 404}
			}
			var out []Object
			for name := range strings.FieldsSeq(book[next][0]) {
				out = append(out, Object{Name: name})
			}
			return out, book[next][1], nil
		})
		var names []string
		for _, o := range list {
			names = append(names, o.Name)
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = fmt.Sprint("error: ", err)
		}
		if got != tt.want || asked[""] != 1 || asked["2"] > 1 && tt.broken == "" {
			t.Errorf("%s: %q after %v, want %q", tt.name, got, asked, tt.want)
		}
	}
}
