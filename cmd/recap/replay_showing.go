package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"recap/replay"
	"recap/replay/report"
)

// replayShowing are the flags that show a run while it lasts.
type replayShowing struct {
	progress choice
	metrics  string
}

func (s *replayShowing) register(cmd *cobra.Command) {
	s.progress = newProgressChoice()
	f := cmd.Flags()
	f.StringVar(&s.metrics, "metrics", "", "answer Prometheus at `ADDRESS` while the run lasts, as in :9100")
	f.Var(&s.progress, "progress", "show a live line on standard error; auto is only on a terminal")
	fixedCompletion(cmd, "progress", s.progress.words)
}

// start shows the run until stop is called.
func (s *replayShowing) start(u *ui, live *replay.Live) (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	if s.metrics != "" {
		at, end, err := report.ServeMetrics(s.metrics, live)
		if err != nil {
			return nil, errMetrics(err)
		}
		stops = append(stops, end)
		u.metricsAt(at)
	}
	if s.progress.value == "always" || s.progress.value == "auto" && isTerminal(u.err) {
		stops = append(stops, report.Show(u.err, live, func() int { return columnsOf(u) }))
	}
	return stop, nil
}

// columnsOf returns the width of the terminal on standard error.
func columnsOf(u *ui) int {
	if f, ok := u.err.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return sheetWidth
}
