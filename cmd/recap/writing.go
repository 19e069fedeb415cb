package main

import (
	"encoding/json"
	"errors"
	"io"

	"recap/export"
	"recap/export/all"
	"recap/export/bodies"
	"recap/pipeline/exchange"
	"recap/reader/blob"
)

// writeOptions say where pairs and connections go, and what of them.
type writeOptions struct {
	out       string // a directory, or "-" for standard output
	formats   []string
	bodiesDir string
	overwrite bool
	filter    *export.Filter // nil for all pairs
	redact    export.Redaction
	redactKey []byte
	sinks     export.Options
	// open, if not nil, opens the directory for one of many captures, and names its files.
	open func(r *reading) (*export.Dir, func(all.Format) string, error)
}

// A writing is where pairs and connections go: a directory of files, or standard output.
type writing struct {
	dir     *export.Dir // nil for standard output
	chain   export.Sink // filter, then redaction, then tally and group
	group   *export.Group
	tally   export.Tally
	parts   []part
	bodies  *bodies.Sink
	outputs []export.Output
	closed  bool
}

// A part is one output.
type part struct {
	format all.Format
	file   *export.File // nil for standard output
	sink   export.Sink
}

// newWriting opens the outputs.
func newWriting(o writeOptions, r *reading, stdout io.Writer) (*writing, error) {
	chosen, err := all.Choose(o.formats)
	if err != nil {
		return nil, err
	}
	w := &writing{group: export.NewGroup()}
	w.chain = export.NewRedactor(o.redact, o.redactKey, (*fan)(w))
	if o.filter != nil {
		w.chain = export.Where(o.filter, w.chain, int64(r.limits.mem.size)/16)
	}
	if o.out == "-" {
		o.sinks.Flush = true
		for _, f := range chosen {
			if f.Stream {
				w.add(f, nil, f.New(export.NamedWriter("standard output", stdout), o.sinks))
			}
		}
		return w, nil
	}
	name := func(f all.Format) string { return f.File }
	if o.open != nil {
		w.dir, name, err = o.open(r)
	} else {
		w.dir, err = openDir(r.chosen, o.out, o.overwrite)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	for _, f := range chosen {
		file, err := w.dir.Create(name(f))
		if err != nil {
			w.abort()
			return nil, err
		}
		w.add(f, file, f.New(file, o.sinks))
	}
	if o.bodiesDir != "" {
		if w.bodies, err = openBodies(r.chosen, o.bodiesDir); err != nil {
			w.abort()
			return nil, err
		}
		w.group.Add("bodies", w.bodies)
	}
	return w, nil
}

// openBodies opens where bodies are kept, on a disk or in a storage account.
func openBodies(chosen *selection, dir string) (*bodies.Sink, error) {
	if !blob.IsURL(dir) {
		return bodies.New(dir)
	}
	at, err := openRemote(chosen, dir)
	if err != nil {
		return nil, err
	}
	return bodies.NewAt(at), nil
}

func (w *writing) add(f all.Format, file *export.File, s export.Sink) {
	w.parts = append(w.parts, part{f, file, s})
	w.group.Add(f.Name, s)
}

// fan is the end of a writing's chain: what arrives here is written.
type fan writing

func (w *fan) Write(b *exchange.Batch) error {
	if err := w.tally.Write(b); err != nil {
		return err
	}
	return w.group.Write(b)
}

func (w *fan) Close() error { return errors.Join(w.tally.Close(), w.group.Close()) }

// write takes over b's reference.
func (w *writing) write(b *exchange.Batch) error {
	defer b.Release()
	return w.chain.Write(b)
}

// finish writes what is still held back; the files get their final names. The
// directory stays open for the manifest.
func (w *writing) finish() error {
	err := w.close()
	if w.dir == nil {
		for _, p := range w.parts {
			w.outputs = append(w.outputs, export.Output{Name: "standard output", Rows: p.rows(), Size: -1})
		}
		return err
	}
	if err != nil {
		w.dir.Abort()
		return err
	}
	for _, p := range w.parts {
		p.file.SetRows(p.rows())
	}
	w.outputs, err = w.dir.Commit()
	return err
}

func (p part) rows() int64 {
	if c, ok := p.sink.(export.Counter); ok {
		return c.Rows()
	}
	return -1
}

func (w *writing) close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.chain.Close()
}

// abort gives up what is not finished.
func (w *writing) abort() {
	w.close()
	if w.dir != nil {
		w.dir.Abort()
	}
}

// manifest returns what manifest.json will say.
func (w *writing) manifest(r *reading, options map[string]any) *export.Manifest {
	m := &export.Manifest{
		Tool:     tool(),
		Options:  options,
		Ledger:   export.LedgerOf(&r.stats.Ledger),
		Complete: r.err == nil && !r.stats.Incomplete,
		Pairs:    w.tally.ManifestPairs, Flows: w.tally.Flows, Messages: w.tally.Messages, Anomalies: w.tally.Anomalies,
		LimitsHit: r.stats.Reasons,
		Outputs:   w.outputs,
	}
	if text, err := json.Marshal(healthOf(r.source.Inputs(), r.stats)); err == nil {
		m.Health = text
	}
	for _, in := range r.source.Inputs() {
		m.Inputs = append(m.Inputs, export.InputOf(in))
		m.Complete = m.Complete && in.DamageCount == 0
		for _, e := range in.Damage {
			c := export.Cut{What: "input", Where: in.Name, Packet: e.Packet, Cause: e.Err.Error()}
			if e.Offset >= 0 {
				c.Offset = &e.Offset
			}
			m.Cut = append(m.Cut, c)
		}
	}
	for _, s := range r.skipped {
		m.Cut = append(m.Cut, export.Cut{What: "skipped", Where: s.name, Cause: s.why})
	}
	return m
}
