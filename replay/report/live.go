package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"recap/replay"
)

// A Line draws a run that is under way as one line.
type Line struct {
	last replay.Snapshot
}

// Next returns the line for s; rates are those since the call before.
func (l *Line) Next(s replay.Snapshot) string {
	if s.Sent.Pairs < l.last.Sent.Pairs || s.Elapsed < l.last.Elapsed {
		l.last = replay.Snapshot{} // another trial
	}
	since := (s.Elapsed - l.last.Elapsed).Seconds()
	parts := []string{s.Phase + " " + span(int64(s.Elapsed.Truncate(100*time.Millisecond)))}
	if s.Trial != "" {
		parts = append(parts, "trying "+plain(s.Trial))
	}
	parts = append(parts, number(s.Sent.Pairs)+" pairs")
	if since > 0 && s.Phase == "sending" {
		parts = append(parts, rate(float64(s.Sent.Pairs-l.last.Sent.Pairs)/since, "pairs"))
		if n := s.Sent.Bytes - l.last.Sent.Bytes; s.Sent.Bytes > 0 {
			parts = append(parts, rate(8*float64(n)/since, "bits"))
		}
	}
	if s.Late > 0 {
		parts = append(parts, number(s.Late)+" late")
	}
	if s.Failed > 0 {
		parts = append(parts, number(s.Failed)+" failed")
	}
	if s.Collecting {
		parts = append(parts, number(s.Seen)+" seen")
	}
	l.last = s
	return strings.Join(parts, " · ")
}

// Show draws the line on a terminal, five times a second, until stop is called.
// columns tells its width in characters; nil is 80.
func Show(w io.Writer, live *replay.Live, columns func() int) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		var l Line
		for {
			select {
			case <-quit:
				fmt.Fprint(w, "\r\x1b[K")
				return
			case <-tick.C:
				width := 80
				if columns != nil {
					width = columns()
				}
				fmt.Fprintf(w, "\r\x1b[K%s", cut(l.Next(live.Snapshot()), width-1))
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// cut keeps a line from going on in the next one, which no carriage return clears.
func cut(s string, columns int) string {
	if columns <= 0 || utf8.RuneCountInString(s) <= columns {
		return s
	}
	return string([]rune(s)[:columns])
}
