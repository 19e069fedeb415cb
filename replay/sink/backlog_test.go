package sink

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"recap/replay"
)

func TestWhatABacklogSays(t *testing.T) {
	type look struct {
		backlog float64
		after   time.Duration // since the look before
	}
	const soon, later = time.Millisecond, WatchEvery
	for _, tt := range []struct {
		name  string
		looks []look
		want  string
	}{
		{"nothing waits", []look{{0, soon}, {0, later}}, ""},
		{"something waits", []look{{0.1, later}, {0.1, soon}, {0.1, later}}, "bb"},
		{"much waits", []look{{0.3, soon}}, "h"},
		{"much waits for long", []look{{0.3, soon}, {1, soon}, {0.5, later}}, "hh"},
		{"less waits, but not little", []look{{0.3, soon}, {0.1, soon}, {0.1, soon}}, "h"},
		{"little waits again", []look{{0.3, soon}, {0.04, soon}, {0.04, soon}}, "hg"},
		{"much waits a second time", []look{{0.3, soon}, {0, soon}, {0.3, soon}, {0, soon}}, "hghg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			w := backlogWatch{tell: func(kind byte, _ bool) { got = append(got, kind) }}
			now := time.Unix(1, 0)
			w.told = now
			for _, l := range tt.looks {
				now = now.Add(l.after)
				w.look(l.backlog, now)
			}
			if string(got) != tt.want {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSubscribersAreAskedToWait(t *testing.T) {
	s := stream(t)
	r := subscribe(t, s)
	h := NewHub(Faults{}, s)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	levels := make(chan float64)
	go h.WatchBacklog(ctx, func() float64 {
		select {
		case v := <-levels:
			return v
		case <-ctx.Done():
			return 0
		}
	})
	var got []error
	for _, level := range []float64{0.9, 0, 0.9} {
		levels <- level
		var o replay.Observation
		got = append(got, r.Next(&o))
	}
	stop() // who is waiting is let go
	var o replay.Observation
	got = append(got, r.Next(&o))
	if want := []error{ErrHold, ErrGo, ErrHold, ErrGo}; !slices.EqualFunc(got, want, errors.Is) {
		t.Errorf("the stream says %v, want %v", got, want)
	}
	if n := h.Counts().Holds; n != 2 {
		t.Errorf("%d times counted, want 2", n)
	}
}
