package main

import (
	"context"
	"os"
	"strings"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/packet"
)

// A reading is what extract and info share: inputs through the pipeline, with
// memory, profiles and progress around it.
type reading struct {
	u        *ui
	command  string
	inputs   []string
	limits   *limits
	options  pipeline.Options
	hash     bool // hash the inputs
	progress string
	profiles *profiles

	shift *shifting // offsets that the caller checks; nil for those of the limits
	quiet bool      // no warnings, no progress: one of many

	source  packet.Source
	skipped []skipped
	stats   *pipeline.Stats
	took    time.Duration
	err     error // what ended the reading early; the stats are good all the same
}

// A skipped file was found, but is no capture or stands in the list already.
type skipped struct{ name, why string }

// laterSchemes are inputs that are known but cannot be read yet.
var laterSchemes = []string{"azblob://", "https://", "http://", "s3://", "gs://"}

// checkFlags finds wrong flags before anything is opened.
func (r *reading) checkFlags() error {
	if r.limits.workers < 0 {
		return errWorkers(r.command)
	}
	return nil
}

// readerOptions says how the inputs are read.
func (r *reading) readerOptions(ctx context.Context) reader.Options {
	return reader.Options{
		MaxPacket:     int(r.limits.maxPacket.size),
		MaxBlock:      int(r.limits.maxBlock.size),
		MaxInputBytes: int64(r.limits.maxInput),
		ZstdWindow:    int64(r.limits.fileWindow.size),
		Hash:          r.hash,
		Stdin:         interruptible(ctx, r.u.in),
		Skipped:       func(name string, why error) { r.skipped = append(r.skipped, skipped{name, why.Error()}) },
	}
}

// open opens the inputs, so that a wrong name costs nothing. The caller closes r.source.
func (r *reading) open(ctx context.Context) error {
	if len(r.inputs) == 0 {
		return errNoInput(r.command)
	}
	if err := r.checkFlags(); err != nil {
		return err
	}
	for _, name := range r.inputs {
		for _, scheme := range laterSchemes {
			if strings.HasPrefix(name, scheme) {
				return errNotYet("reading from "+scheme, "download the capture, or pipe it in with - as INPUT")
			}
		}
	}
	setMemory(int64(r.limits.mem.size))
	shift := r.shift
	if shift == nil {
		shift = newShifting(&r.limits.offsets)
	}
	o := r.readerOptions(ctx)
	o.ClockOffset = shift.of
	source, err := reader.Open(ctx, r.inputs, o)
	if err != nil {
		return &failure{code: exitFailure, err: err}
	}
	if r.shift == nil {
		if err := shift.check(); err != nil {
			source.Close()
			return err
		}
	}
	r.source = source
	return nil
}

// run reads everything. An error of usage is returned; what ended the reading
// early is in r.err.
func (r *reading) run(ctx context.Context, out func(*exchange.Batch) error) error {
	stop, err := r.profiles.start()
	if err != nil {
		return err
	}
	if r.progress == "always" || r.progress == "auto" && isTerminal(r.u.err) {
		r.options.Progress = new(pipeline.Progress)
		stopProgress := showProgress(r.u.err, r.total(), r.options.Progress)
		defer stopProgress()
	}
	start := time.Now()
	r.stats, r.err = pipeline.Run(ctx, r.source, r.options, out)
	r.took = time.Since(start)
	if r.stats == nil {
		r.stats = &pipeline.Stats{FirstNS: exchange.NoTime, LastNS: exchange.NoTime}
	}
	return stop()
}

// total is the size of all inputs in bytes, or -1 where it cannot be held against
// captured bytes: compressed files, pipes.
func (r *reading) total() int64 {
	var sum int64
	for _, in := range r.source.Inputs() {
		info, err := os.Stat(in.Name)
		if err != nil || !info.Mode().IsRegular() || in.Compression != "" {
			return -1
		}
		sum += info.Size()
	}
	return sum
}
