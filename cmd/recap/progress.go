package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"recap/pipeline"
)

// progressEvery is how often the progress line is drawn.
const progressEvery = 200 * time.Millisecond

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// showProgress draws how far p is on w until stop is called. total is the size
// of all inputs in bytes as they are stored, or -1 where nobody knows; compressed
// says that captured bytes cannot be held against it. The libraries only count:
// the clock and the terminal are ours.
func showProgress(w io.Writer, total int64, p *pipeline.Progress) (stop func()) {
	start := time.Now()
	return drawOften(newBar(w, total), total, func() (int64, string) {
		packets := p.Packets.Load()
		return p.Bytes.Load() + packets*recordHeader, progressText(packets, p.Pairs.Load(), time.Since(start))
	})
}

func newBar(w io.Writer, total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
		progressbar.OptionShowDescriptionAtLineEnd(),
	)
}

// drawOften draws what at tells, bytes and words, until stop is called.
func drawOften(bar *progressbar.ProgressBar, total int64, at func() (int64, string)) (stop func()) {
	draw := func() {
		n, text := at()
		bar.Describe(text)
		if total >= 0 {
			// At the very end the bar would finish by itself.
			n = min(n, total-1)
		}
		_ = bar.Set64(max(n, 0))
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				draw()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		draw()
		_ = bar.Finish()
	}
}

// recordHeader is what a classic pcap stores beside each packet, bytes; a good
// guess for the other formats too.
const recordHeader = 16
