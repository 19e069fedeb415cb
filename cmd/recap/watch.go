package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"recap/pipeline"
)

// A watch knows how far the captures of a batch are. Several goroutines use it.
type watch struct {
	mu      sync.Mutex
	total   int64 // bytes of all, as stored; -1 where some are not known
	files   int
	ended   int   // files
	at      int64 // bytes of those that ended
	packets int64
	pairs   int64
	running map[*task]*pipeline.Progress
	clear   func() // takes the progress line off the terminal; nil without one
}

func newWatch(tasks []*task) *watch {
	w := &watch{running: map[*task]*pipeline.Progress{}}
	for _, t := range tasks {
		if t.done != nil || t.err != nil {
			continue
		}
		w.files++
		for _, f := range t.found {
			if f.Size < 0 {
				w.total = -1
			} else if w.total >= 0 {
				w.total += f.Size
			}
		}
	}
	return w
}

// start returns what a capture counts in.
func (w *watch) start(t *task) *pipeline.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := new(pipeline.Progress)
	w.running[t] = p
	return p
}

// forget takes a capture out that will begin anew.
func (w *watch) forget(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, t)
}

// finish counts a capture as done, and has say print between two progress lines.
func (w *watch) finish(t *task, say func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.running[t]; p != nil {
		w.ended++
		w.at += t.size()
		w.packets += p.Packets.Load()
		w.pairs += p.Pairs.Load()
		delete(w.running, t)
	}
	if w.clear != nil {
		w.clear()
	}
	say()
}

// locked calls f while nobody else uses the watch.
func (w *watch) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// show draws one line for all captures until stop is called.
func (w *watch) show(out io.Writer) (stop func()) {
	start := time.Now()
	bar := newBar(out, w.total)
	w.locked(func() { w.clear = func() { _ = bar.Clear() } })
	return drawOften(bar, w.total, func() (int64, string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		at, packets, pairs := w.at, w.packets, w.pairs
		for t, p := range w.running {
			n := p.Packets.Load()
			// Compressed files give more bytes than are stored.
			at += min(p.Bytes.Load()+n*recordHeader, t.size())
			packets, pairs = packets+n, pairs+p.Pairs.Load()
		}
		return at, fmt.Sprintf("%s of %s, ", count(w.ended), many(w.files, "capture", "captures")) + progressText(packets, pairs, time.Since(start))
	})
}
