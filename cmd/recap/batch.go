package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"recap/export"
	"recap/export/all"
	"recap/pipeline"
	"recap/pipeline/bpf"
	"recap/reader"
	"recap/reader/packet"
)

// batchFlags are the flags about many captures in one call.
type batchFlags struct {
	partition layout
	jobs      int
	sets      choice
	shard     shardOf
}

func (b *batchFlags) register(f *pflag.FlagSet) {
	b.sets = choice{value: "auto", words: []string{"auto", "never"}}
	f.Var(&b.partition, "partition", "with --each, write one partitioned dataset instead of a directory for each input, as in '"+hive+"', for which hive is short; words in braces: "+andList(layoutWords))
	f.Var(&b.sets, "sets", "with --each, take rotated files of one capture, which their names tell, for one input")
	f.IntVar(&b.jobs, "jobs", 0, "with --each, work on `N` captures side by side, within --mem; 0 is one per processor. The output does not depend on it")
	f.Var(&b.shard, "shard", "with --each, do only the captures of shard I of N, from 0, as in 2/8; I may be left out (/8) where JOB_COMPLETION_INDEX is set")
}

// check finds what does not go together.
func (b *batchFlags) check(each bool) error {
	switch {
	case b.jobs < 0:
		return errNegative("jobs")
	case !each && (b.partition.text != "" || b.shard.Of > 0 || b.jobs > 0):
		return errWithoutEach()
	}
	return b.shard.complete(os.Getenv)
}

// A batch runs the captures of --each.
type batch struct {
	c       *extractCommand
	cmd     *cobra.Command
	o       writeOptions
	r       *reading // whose store and offsets all share
	at      export.Place
	options map[string]any
	tasks   []*task             // of this shard
	all     int                 // captures of all shards
	left    map[string][]string // by capture: what an earlier call has left of it in a dataset
	parts   []*eachPart
	skipped []skipped
	watch   *watch // progress of all
	slabs   *packet.Pool
}

func (c *extractCommand) runEach(cmd *cobra.Command, r *reading, o writeOptions) error {
	ctx := cmd.Context()
	tasks, err := r.listTasks(ctx, r.inputs, r.shift, c.batch.sets.value == "auto")
	if err != nil {
		return err
	}
	if len(tasks) == 0 && r.leftOut > 0 {
		return errNoneSelected(r.leftOut)
	}
	b := &batch{c: c, cmd: cmd, o: o, r: r, all: len(tasks), tasks: tasks, skipped: r.skipped,
		options: optionsInForce(cmd.Flags(), r.options.Resolved())}
	if c.batch.shard.Of > 0 {
		b.tasks = c.batch.shard.choose(tasks)
	}
	if b.at, err = openPlace(&c.chosen, c.out); err != nil {
		return errOutput(err)
	}
	defer func() { b.at.Close() }()
	if err := b.prepare(ctx, tasks); err != nil {
		return err
	}
	setMemory(int64(c.limits.mem.size), gcPercent)
	b.o.sinks.Reuse, b.slabs, b.r.options.Reuse = new(export.Reuse), packet.NewPool(0), pipeline.NewReuse()
	c.warnLowered(cmd.Flags(), r.options.Resolved())
	stop, err := c.profiles.start()
	if err != nil {
		return err
	}
	defer stop()
	return b.run(ctx)
}

// prepare looks for what an earlier call has left, and makes the place ready.
func (b *batch) prepare(ctx context.Context, all []*task) error {
	if b.c.resume {
		if err := b.lookAround(all); err != nil {
			return err
		}
		for _, t := range b.tasks {
			if err := b.lookBack(ctx, t); err != nil {
				return err
			}
		}
		b.o.overwrite = true
	}
	if err := b.makeReady(); err != nil || b.c.resume {
		return err
	}
	return b.lookAround(all)
}

// makeReady makes the place, or joins the other shards there.
func (b *batch) makeReady() error {
	if b.c.batch.shard.Of > 0 {
		return b.joinShards()
	}
	err := b.at.Prepare(b.o.overwrite)
	switch {
	case errors.Is(err, export.ErrNotEmpty):
		return errNotEmpty(b.at.Path(""), err)
	case err != nil:
		return errOutput(err)
	}
	return nil
}

// dataset reports whether all captures go into one table.
func (b *batch) dataset() bool { return b.c.batch.partition.text != "" }

// run works on all tasks and concludes.
func (b *batch) run(ctx context.Context) error {
	b.parts = make([]*eachPart, len(b.tasks))
	jobs := b.jobs()
	b.watch = newWatch(b.tasks)
	if p := b.c.progress.value; p == "always" || p == "auto" && isTerminal(b.c.u.err) {
		defer b.watch.show(b.c.u.err)()
	}
	line := newLine(jobs, int64(b.c.limits.mem.size))
	err := line.run(ctx, b.order(), func(ctx context.Context, i int) error { return b.one(ctx, i, jobs) })
	if err != nil {
		return err // what cannot be written for one is not written for the next
	}
	return b.conclude(ctx)
}

// order has the largest captures first, so that none is left alone at the end.
func (b *batch) order() []int {
	order := make([]int, len(b.tasks))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(b.tasks[j].size(), b.tasks[i].size()) })
	return order
}

// captureRoom is what a capture takes before it has state: buffers, columns, encoders.
const captureRoom = 32 << 20

// jobs is how many captures may be worked on side by side.
func (b *batch) jobs() int {
	jobs := b.c.batch.jobs
	if jobs == 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	room := int(int64(b.c.limits.mem.size) / captureRoom)
	return max(1, min(jobs, room, len(b.tasks)))
}

// one extracts one capture and notes its part. An error ends the batch.
func (b *batch) one(ctx context.Context, i, jobs int) error {
	t := b.tasks[i]
	var said bytes.Buffer
	u := &ui{in: b.c.u.in, out: b.c.u.out, err: &said}
	p, err := b.extract(ctx, t, u, jobs)
	if err != nil && errors.Is(context.Cause(ctx), errGivenUp) && exitCode(err) != exitOutput {
		b.watch.forget(t)
		return errGivenUp
	}
	b.watch.finish(t, func() { b.c.u.err.Write(said.Bytes()) })
	if exitCode(err) == exitOutput {
		return err
	}
	b.parts[i] = p
	return nil
}

// extract extracts one capture, says what is wrong with it, and returns its part,
// or nil where there is nothing to list. An error is returned beside it.
func (b *batch) extract(ctx context.Context, t *task, u *ui, jobs int) (*eachPart, error) {
	p := &eachPart{Index: t.index, Part: t.part, Input: t.name}
	if len(t.found) > 1 {
		p.Inputs = t.names()
	}
	if b.dataset() {
		p.Part, p.File = t.id(), datasetManifest(t.id())
	}
	fail := func(err error) (*eachPart, error) {
		if p.ExitCode, p.Error = exitCode(err), err.Error(); p.ExitCode != exitOutput && context.Cause(ctx) != errGivenUp {
			u.fail(err)
		}
		return p, err
	}
	if t.err != nil {
		return fail(t.err)
	}
	if t.done != nil {
		p.take(t.done, b.at)
		if err := doneVerdict(t.done, false); err != nil {
			p.ExitCode = exitCode(err)
		}
		return p, nil
	}
	c, r, o, err := b.setUp(ctx, t, u, jobs)
	if err != nil {
		return fail(err)
	}
	x, err := c.extract(ctx, b.cmd, r, o)
	if errors.Is(err, reader.ErrNoInput) && len(r.skipped) > 0 {
		b.watch.locked(func() { b.skipped = append(b.skipped, r.skipped...) })
		return nil, nil // found, but no capture
	}
	if err != nil {
		return fail(err)
	}
	defer x.r.source.Close()
	p.take(x.manifest, b.at)
	switch verdict := u.verdict(x.r.source.Inputs(), x.r.stats, false); {
	case x.manifest.Interrupted:
		p.ExitCode = exitInterrupted
	case x.r.err != nil:
		return fail(&failure{code: exitFailure, err: x.r.err})
	default:
		p.ExitCode = exitCode(verdict)
	}
	return p, nil
}

// setUp returns a command, a reading and options of one capture's own: what works
// side by side shares nothing that changes.
func (b *batch) setUp(ctx context.Context, t *task, u *ui, jobs int) (*extractCommand, *reading, writeOptions, error) {
	c := *b.c
	c.u = u
	opt := b.r.options
	opt.Progress = b.watch.start(t)
	if c.limits.workers == 0 {
		opt.Workers = max(1, runtime.GOMAXPROCS(0)/jobs)
	}
	o := b.o
	o.sinks.Workers = opt.Workers
	var err error
	if c.where != "" {
		if o.filter, err = export.NewFilter(c.where); err != nil {
			return nil, nil, o, errWhere(err)
		}
	}
	if c.follow.bpf != "" {
		if opt.Filter, err = bpf.Compile(c.follow.bpf); err != nil {
			return nil, nil, o, errBPF(err)
		}
	}
	r := c.reading(b.cmd, nil, opt, newShifting(&c.limits.offsets))
	r.found, r.store, r.slabs, r.progress = t.found, b.r.store, b.slabs, "never"
	o.out = filepath.Join(c.out, filepath.FromSlash(t.part))
	o.open = func(r *reading) (*export.Dir, func(all.Format) string, error) { return b.open(t, r) }
	return &c, r, o, nil
}

// open opens the directory of a capture.
func (b *batch) open(t *task, r *reading) (*export.Dir, func(all.Format) string, error) {
	if !b.dataset() {
		at, err := b.at.Sub(t.part)
		if err != nil {
			return nil, nil, err
		}
		d, err := export.OpenAt(at, b.o.overwrite)
		if err == nil {
			d.Borrow(b.o.sinks.Reuse)
		}
		return d, func(f all.Format) string { return f.File }, err
	}
	first := int64(packet.NoTime)
	if b.c.batch.partition.needsTime() {
		r.source, first = peekTime(r.source)
	}
	dir := b.c.batch.partition.dir(t.name, first)
	name := func(f all.Format) string { return datasetName(f, dir, t.id()) }
	d := export.NewPart(b.at, datasetManifest(t.id()))
	d.Borrow(b.o.sinks.Reuse)
	d.Replace(b.left[t.id()]) // it may be in another partition: an interrupted call does not get to the time of the first packet
	return d, name, nil
}

// conclude writes the manifest over all and tells the summary.
func (b *batch) conclude(ctx context.Context) error {
	m := &eachManifest{Format: eachFormat, Tool: tool(), Options: b.options, Interrupted: ctx.Err() != nil, Parts: []eachPart{}, Skipped: []eachSkipped{}}
	slices.SortFunc(b.skipped, func(x, y skipped) int { return cmp.Compare(x.name, y.name) })
	var passed []eachSkipped
	for _, s := range b.skipped {
		passed = append(passed, eachSkipped{s.name, s.why})
	}
	m.skip(passed)
	sum := eachSummary{dir: b.at.Path(""), skipped: b.skipped, leftOut: b.r.leftOut, dataset: b.dataset()}
	for i, p := range b.parts {
		if p == nil {
			continue
		}
		m.Interrupted = m.Interrupted || p.ExitCode == exitInterrupted
		m.Parts = append(m.Parts, *p)
		sum.add(b.tasks[i], p)
	}
	name := export.ManifestName
	if s := b.c.batch.shard; s.Of > 0 {
		m.Shard, name = &s, s.manifest()
		sum.manifest = name
	}
	m.sumUp()
	text, err := m.encode()
	if err != nil {
		return err
	}
	if err := export.NewPart(b.at, name).WriteLast(text); err != nil {
		return errOutput(err)
	}
	b.c.u.summarizeEach(&sum)
	return b.verdict(m, &sum)
}

func (b *batch) verdict(m *eachManifest, sum *eachSummary) error {
	bad := sum.failed + sum.damaged
	switch {
	case m.Interrupted:
		return errInterrupted(b.at.Path(""))
	case len(m.Parts) == 0 && b.c.batch.shard.Of == 0:
		return &failure{code: exitFailure, err: reader.ErrNoInput}
	case bad == 0:
		return nil
	case b.c.strict, sum.failed == len(m.Parts): // nothing came of any
		return &failure{code: exitFailure}
	}
	return &failure{code: exitIncomplete}
}

// peekTime returns a source that gives what src does, and the time of its first
// packet that has one; NoTime if the first batch has none.
func peekTime(src packet.Source) (packet.Source, int64) {
	b, err := src.Next()
	first := int64(packet.NoTime)
	if err == nil {
		for i := range b.Packets {
			if first = b.Packets[i].TimeNS; first != packet.NoTime {
				break
			}
		}
	}
	return &peeked{Source: src, b: b, err: err}, first
}

// peeked gives a first result again.
type peeked struct {
	packet.Source
	b    *packet.Batch
	err  error
	past bool
}

func (p *peeked) Next() (*packet.Batch, error) {
	if p.past {
		return p.Source.Next()
	}
	p.past = true
	b := p.b
	p.b = nil
	return b, p.err
}

func (p *peeked) Close() error {
	if p.b != nil {
		p.b.Release()
		p.b = nil
	}
	return p.Source.Close()
}
