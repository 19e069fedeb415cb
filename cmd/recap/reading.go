package main

import (
	"context"
	"errors"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/blob"
	"recap/reader/packet"
)

// A reading is what extract and info share: inputs through the pipeline, with
// memory, profiles and progress around it.
type reading struct {
	u        *ui
	command  string
	inputs   []string
	limits   *limits
	chosen   *selection
	store    *blob.Store    // that reads URLs; nil for one of its own
	found    []reader.Found // the inputs, where they are listed already
	slabs    *packet.Pool   // memory to read into; nil for some of its own
	options  pipeline.Options
	hash     bool // hash the inputs
	progress string
	profiles *profiles

	shift *shifting // offsets that the caller checks; nil for those of the limits
	quiet bool      // no warnings, no progress: one of many

	source  packet.Source
	skipped []skipped
	leftOut int // files that the selection left out
	stats   *pipeline.Stats
	took    time.Duration
	err     error // what ended the reading early; the stats are good all the same
}

// A skipped file was found, but is no capture or stands in the list already.
type skipped struct{ name, why string }

// checkFlags finds wrong flags before anything is opened.
func (r *reading) checkFlags() error {
	if r.limits.workers < 0 {
		return errWorkers(r.command)
	}
	return nil
}

// readerOptions says how the inputs are read.
func (r *reading) readerOptions(ctx context.Context) reader.Options {
	if r.store == nil {
		r.store = r.chosen.newStore(int64(r.limits.mem.size))
	}
	o := reader.Options{
		MaxPacket:     int(r.limits.maxPacket.size),
		MaxBlock:      int(r.limits.maxBlock.size),
		MaxInputBytes: int64(r.limits.maxInput),
		ZstdWindow:    int64(r.limits.fileWindow.size),
		Hash:          r.hash,
		Stdin:         interruptible(ctx, r.u.in),
		Store:         r.store,
		Pool:          r.slabs,
		Skipped:       r.skip,
	}
	r.chosen.apply(&o)
	return o
}

// skip notes what was found and is not read.
func (r *reading) skip(name string, why error) {
	if errors.Is(why, reader.ErrFiltered) {
		r.leftOut++
		return
	}
	r.skipped = append(r.skipped, skipped{name, why.Error()})
}

// list finds what is behind the inputs.
func (r *reading) list(ctx context.Context) error {
	if r.found != nil {
		return nil
	}
	found, err := reader.List(ctx, r.inputs, r.readerOptions(ctx))
	if err == nil && len(found) == 0 && r.leftOut > 0 {
		return errNoneSelected(r.leftOut)
	}
	if err != nil {
		return unopened(ctx, err)
	}
	r.found = found
	return nil
}

// unopened is the failure of inputs that were not opened because of err. A signal
// comes before everything.
func unopened(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted("")
	}
	return &failure{code: exitFailure, err: err}
}

// open opens the inputs, so that a wrong name costs nothing. The caller closes r.source.
func (r *reading) open(ctx context.Context) error {
	if len(r.inputs) == 0 && len(r.found) == 0 {
		return errNoInput(r.command)
	}
	if err := r.checkFlags(); err != nil {
		return err
	}
	percent := gcPercent
	if r.options.CountPairs {
		percent = gcPercentCounting
	}
	setMemory(int64(r.limits.mem.size), percent)
	shift := r.shift
	if shift == nil {
		shift = newShifting(&r.limits.offsets)
	}
	o := r.readerOptions(ctx)
	o.ClockOffset = shift.of
	if err := r.list(ctx); err != nil {
		return err
	}
	source, err := reader.OpenFound(ctx, r.found, o)
	if err != nil {
		return unopened(ctx, err)
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
	compressed := map[string]bool{}
	for _, in := range r.source.Inputs() {
		compressed[in.Name] = in.Compression != ""
	}
	var sum int64
	for _, f := range r.found {
		if f.Size < 0 || compressed[f.Name] {
			return -1
		}
		sum += f.Size
	}
	return sum
}
