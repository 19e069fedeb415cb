package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/reader"
)

// This file is about --resume, which goes on with what an earlier call has left.

// resumeOne is --resume without --each.
func (c *extractCommand) resumeOne(cmd *cobra.Command, r *reading, o writeOptions, opt pipeline.Options) error {
	ctx := cmd.Context()
	if strings.Contains("\n"+strings.Join(r.inputs, "\n")+"\n", "\n-\n") {
		return errResumeStdin()
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	at, err := openPlace(&c.chosen, c.out)
	if err != nil {
		return errOutput(err)
	}
	defer at.Close()
	t := &task{part: ".", found: r.found}
	l := &lookback{at: at, manifest: export.ManifestName, shown: at.Path(""), options: optionsInForce(cmd.Flags(), opt.Resolved()), r: r}
	if err := l.look(ctx, t); err != nil {
		return err
	}
	if t.done != nil {
		c.u.resumed(at.Path(""), t.done)
		return doneVerdict(t.done, c.strict)
	}
	o.overwrite = true
	one := c.reading(cmd, r.inputs, opt, nil)
	one.found, one.store, one.skipped = r.found, r.store, r.skipped
	x, err := c.extract(cmd.Context(), cmd, one, o)
	if err != nil {
		return err
	}
	defer x.r.source.Close()
	return c.conclude(ctx, x)
}

// lookBack finds out whether an earlier call has finished t.
func (b *batch) lookBack(ctx context.Context, t *task) error {
	if t.err != nil {
		return nil
	}
	l := &lookback{at: b.at, dir: t.part, manifest: path.Join(t.part, export.ManifestName), options: b.options, r: b.r}
	if b.dataset() {
		l.dir, l.manifest = "", datasetManifest(t.id())
	}
	l.shown = b.at.Path(l.dir)
	return l.look(ctx, t)
}

// A lookback holds what an earlier call has left against what this one is to do.
type lookback struct {
	at       export.Place
	dir      string // that the outputs are named from, below at
	manifest string
	shown    string // in messages
	options  map[string]any
	r        *reading
}

// look sets t.done where all is as this call would make it. Other options, another
// version or changed inputs are errors: results of two kinds would stand side by side.
func (l *lookback) look(ctx context.Context, t *task) error {
	m, err := manifestAt(l.at, l.manifest)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotWhole):
		return nil
	case err != nil:
		return errResume(l.shown, fmt.Errorf("%s: %w", export.ManifestName, cause(err)))
	case m.Tool.Version != toolVersion:
		return errResume(l.shown, fmt.Errorf("version %s of recap wrote it", m.Tool.Version))
	}
	if name, err := differentOption(m.Options, l.options); err != nil {
		return err
	} else if name != "" {
		return errResume(l.shown, fmt.Errorf("it was written with another --%s", name))
	}
	same, err := l.sameInputs(ctx, t, m)
	if err != nil || !same {
		return err
	}
	if m.Interrupted || !l.sameOutputs(m) {
		return nil
	}
	t.done = m
	return nil
}

// sameInputs compares the inputs with those of the manifest. false without an error
// is for inputs that cannot be read: extracting them will tell.
func (l *lookback) sameInputs(ctx context.Context, t *task, m *export.Manifest) (bool, error) {
	was := map[string]export.ManifestInput{}
	for _, in := range m.Inputs {
		was[in.Name] = in
	}
	found := t.found
	// What was found and is no capture stands among the skipped.
	skipped := map[string]bool{}
	for _, c := range m.Cut {
		skipped[c.Where] = skipped[c.Where] || c.What == "skipped"
	}
	n := 0
	for _, f := range found {
		in, ok := was[f.Name]
		if !ok && skipped[f.Name] {
			continue
		}
		if !ok {
			return false, errResume(l.shown, fmt.Errorf("it was made of %s, not of %s", firstInput(m), f.Name))
		}
		n++
		if in.SHA256 == nil {
			return false, nil // it could not be read to its end then
		}
		err := l.sameInput(ctx, f, in)
		switch {
		case ctx.Err() != nil:
			return false, errInterrupted("")
		case errors.Is(err, errDiffers):
			return false, errResume(l.shown, fmt.Errorf("input %s %w", in.Name, err))
		case err != nil:
			return false, nil
		}
	}
	if n != len(m.Inputs) {
		return false, errResume(l.shown, fmt.Errorf("it was made of %s, not %s", many(len(m.Inputs), "input", "inputs"), count(n)))
	}
	return true, nil
}

// sameInput reads an input again only where nothing else shows that it is the same:
// a blob has its entity tag; a file that was not touched since the manifest was
// written is as it was then.
func (l *lookback) sameInput(ctx context.Context, f reader.Found, in export.ManifestInput) error {
	if f.Size >= 0 && f.Size != in.Size {
		return fmt.Errorf("%w: %s bytes, not %s", errDiffers, count(f.Size), count(in.Size))
	}
	if f.Remote && in.ETag != "" {
		if err := reader.Stat(ctx, &f, l.r.readerOptions(ctx)); err != nil {
			return err
		}
		if strings.Trim(f.ETag, `"`) == strings.Trim(in.ETag, `"`) {
			return nil
		}
	}
	if !f.Remote && untouchedSince(f.Path(), l.at.Path(l.manifest)) {
		return nil
	}
	r, err := reader.OpenRaw(ctx, f, l.r.readerOptions(ctx))
	if err != nil {
		return err
	}
	defer r.Close()
	return compareStream(ctx, r, in.Size, *in.SHA256)
}

func firstInput(m *export.Manifest) string {
	if len(m.Inputs) == 0 {
		return "nothing"
	}
	return m.Inputs[0].Name
}

func (l *lookback) sameOutputs(m *export.Manifest) bool {
	for _, out := range m.Outputs {
		f, size, err := l.at.Open(path.Join(l.dir, out.Name))
		if err != nil {
			return false
		}
		f.Close()
		if size != out.Size {
			return false
		}
	}
	return true
}

// manifestAt reads the manifest of one capture.
func manifestAt(at export.Place, name string) (*export.Manifest, error) {
	f, _, err := at.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeManifest(f)
}

// errNotWhole is a manifest that ends early. Recap leaves none behind, but some services
// keep what had come of an upload when its sender died: the capture is not finished then.
var errNotWhole = errors.New("it ends early")

func decodeManifest(r io.Reader) (*export.Manifest, error) {
	m := new(export.Manifest)
	switch err := json.NewDecoder(io.LimitReader(r, maxManifest)).Decode(m); {
	case err == io.EOF, err == io.ErrUnexpectedEOF:
		return nil, errNotWhole
	case err != nil:
		return nil, err
	}
	if m.Format == eachFormat {
		return nil, errParts
	}
	if m.Format != export.ManifestFormat {
		return nil, fmt.Errorf("manifest of format %q, not %q", m.Format, export.ManifestFormat)
	}
	return m, nil
}

// lookAround finds what an earlier call has written into a dataset. Captures that are
// not among the inputs any more are an error with --resume: the table would hold more
// than was asked for. Without it they go, unless other shards are at work.
func (b *batch) lookAround(all []*task) error {
	if !b.dataset() || !b.c.resume && !b.c.overwrite {
		return nil
	}
	names, err := b.at.List()
	if err != nil {
		return errOutput(&export.WriteError{Path: b.at.Path(""), Err: cause(err)})
	}
	known := map[string]bool{}
	for _, t := range all {
		known[t.id()] = true
	}
	b.left = map[string][]string{}
	for _, name := range names {
		m := partID.FindStringSubmatch(name)
		switch {
		case m == nil:
		case b.c.resume && !known[m[1]]:
			return errResume(b.at.Path(""), fmt.Errorf("%s in it is not of these inputs", name))
		case b.c.overwrite && b.c.batch.shard.Of == 0:
			if err := b.at.Remove(name); err != nil {
				return errOutput(&export.WriteError{Path: b.at.Path(name), Err: err})
			}
		case path.Dir(name) != manifestsDir:
			b.left[m[1]] = append(b.left[m[1]], name)
		}
	}
	return nil
}

// doneVerdict is the exit code of a directory that was finished earlier.
func doneVerdict(m *export.Manifest, strict bool) error {
	switch {
	case m.Complete:
		return nil
	case strict:
		return &failure{code: exitFailure}
	}
	return &failure{code: exitIncomplete}
}
