package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/reader"
)

// This file is about --each, where every input is a capture of its own, and about
// --resume, which goes on with what an earlier call has left.

// A task is one capture of its own.
type task struct {
	part   string   // its directory below the output directory; "." for that itself
	inputs []string // one of them with --each
	err    error    // it could not be opened
	done   *export.Manifest
}

// eachFormat names the layout of the manifest over parts.
const eachFormat = "recap-each/1"

// An eachManifest is the manifest.json of a directory with one part for each input.
type eachManifest struct {
	Format      string         `json:"format"`
	Tool        export.Tool    `json:"tool"`
	Complete    bool           `json:"complete"`
	Interrupted bool           `json:"interrupted"`
	Options     map[string]any `json:"options"`
	Parts       []eachPart     `json:"parts"`
}

// An eachPart is one input and what became of it.
type eachPart struct {
	Part     string  `json:"part"`  // directory below this one
	Input    string  `json:"input"` // as it was named or found
	Size     int64   `json:"size"`
	SHA256   *string `json:"sha256"`
	Complete bool    `json:"complete"`
	ExitCode int     `json:"exit_code"` // that extract on this input alone would have
	Packets  int64   `json:"packets"`
	Pairs    int64   `json:"pairs"`
	Flows    int64   `json:"flows"`
	Manifest *string `json:"manifest_sha256"` // null where there is none
	Error    string  `json:"error,omitempty"`
}

// listTasks finds the inputs behind the arguments. What cannot be opened is a task
// that has failed. Readings share shift, so that an offset for one of many is found.
func (r *reading) listTasks(ctx context.Context, args []string, shift *shifting) ([]*task, error) {
	var tasks []*task
	seen := map[string]string{}
	for _, arg := range args {
		if arg == "-" {
			return nil, errEachStdin()
		}
		o := r.readerOptions(ctx)
		o.Hash, o.ClockOffset = false, shift.of
		c, err := reader.Open(ctx, []string{arg}, o)
		if err != nil {
			if ctx.Err() != nil {
				return nil, errInterrupted("")
			}
			tasks = append(tasks, &task{part: partName(arg, arg), inputs: []string{arg}, err: err})
			continue
		}
		for _, in := range c.Inputs() {
			tasks = append(tasks, &task{part: partName(arg, in.Name), inputs: []string{in.Name}})
		}
		c.Close()
	}
	tasks = slices.DeleteFunc(tasks, func(t *task) bool {
		name := filepath.Clean(t.inputs[0])
		if other, twice := seen[name]; twice && other == t.part {
			r.skipped = append(r.skipped, skipped{t.inputs[0], "named twice"})
			return true
		}
		seen[name] = t.part
		return false
	})
	parts := map[string]string{}
	for _, t := range tasks {
		if other, twice := parts[t.part]; twice {
			return nil, errSamePart(t.part, other, t.inputs[0])
		}
		parts[t.part] = t.inputs[0]
	}
	return tasks, shift.check()
}

// partName is the directory for an input that was found behind an argument: its
// name, and the directories below the one that was named, so that it does not depend
// on what else there is.
func partName(arg, name string) string {
	arg, _, _ = strings.Cut(strings.TrimPrefix(arg, "file://"), "?")
	above := filepath.ToSlash(arg)
	if i := strings.IndexAny(above, "*["); i >= 0 {
		above = above[:strings.LastIndexByte(above[:i], '/')+1]
	}
	name = filepath.ToSlash(strings.TrimPrefix(name, "file://"))
	rest, below := strings.CutPrefix(name, strings.TrimSuffix(above, "/")+"/")
	if above == "" || above == "." || above == "./" {
		rest, below = name, true
	}
	rest = path.Clean(rest)
	if !below || name == above || !filepath.IsLocal(filepath.FromSlash(rest)) || rest == "." {
		rest = path.Base(name)
	}
	if rest == export.ManifestName || !filepath.IsLocal(filepath.FromSlash(rest)) || rest == "." {
		rest = "input-" + strings.Trim(rest, "./")
	}
	return rest
}

// runTasks extracts every task that is not done.
func (c *extractCommand) runTasks(cmd *cobra.Command, args []string, o writeOptions, opt pipeline.Options) error {
	ctx := cmd.Context()
	shift := newShifting(&c.limits.offsets)
	r := c.reading(cmd, nil, opt, shift)
	if err := r.checkFlags(); err != nil {
		return err
	}
	if len(args) == 0 {
		return errNoInput(cmd.CommandPath())
	}
	var tasks []*task
	if c.follow.each {
		var err error
		if tasks, err = r.listTasks(ctx, args, shift); err != nil {
			return err
		}
	} else {
		tasks = []*task{{part: ".", inputs: args}}
	}
	options := optionsInForce(cmd.Flags(), opt.Resolved())
	if c.resume {
		for _, t := range tasks {
			if err := c.lookBack(ctx, r, t, options); err != nil {
				return err
			}
		}
		o.overwrite = true
	}
	if !c.follow.each {
		t := tasks[0]
		if t.done != nil {
			c.u.resumed(c.out, t.done)
			return doneVerdict(t.done, c.strict)
		}
		x, err := c.extract(cmd, c.reading(cmd, args, opt, nil), o)
		if err != nil {
			return err
		}
		defer x.r.source.Close()
		return c.conclude(ctx, x)
	}
	return c.runEach(cmd, tasks, o, opt, options, shift, r.skipped)
}

func (c *extractCommand) runEach(cmd *cobra.Command, tasks []*task, o writeOptions, opt pipeline.Options, options map[string]any, shift *shifting, skipped []skipped) error {
	ctx := cmd.Context()
	top, err := export.OpenDir(c.out, o.overwrite)
	if errors.Is(err, export.ErrNotEmpty) {
		return errNotEmpty(c.out, err)
	}
	if err != nil {
		return errOutput(err)
	}
	defer top.Abort()
	c.warnLowered(cmd.Flags(), opt.Resolved())
	stop, err := c.profiles.start()
	if err != nil {
		return err
	}
	defer stop()
	m := &eachManifest{Format: eachFormat, Tool: tool(), Complete: true, Options: options, Parts: []eachPart{}}
	sum := eachSummary{dir: c.out, skipped: skipped}
	for _, t := range tasks {
		if ctx.Err() != nil {
			m.Interrupted = true
			break
		}
		p, err := c.runPart(cmd, t, o, opt, shift, top)
		var f *failure
		if errors.As(err, &f) && f.code == exitOutput {
			return err // what cannot be written for one is not written for the next
		}
		if p.ExitCode == exitInterrupted {
			m.Interrupted = true
		}
		m.Complete = m.Complete && p.Complete
		m.Parts = append(m.Parts, *p)
		sum.add(t, p)
	}
	m.Complete = m.Complete && !m.Interrupted
	if err := writeEachManifest(top, m); err != nil {
		return errOutput(err)
	}
	c.u.summarizeEach(&sum)
	switch {
	case m.Interrupted:
		return errInterrupted(c.out)
	case sum.failed > 0 || sum.damaged > 0 && c.strict:
		return &failure{code: exitFailure}
	case sum.damaged > 0:
		return &failure{code: exitIncomplete}
	}
	return nil
}

// runPart extracts one input, says what is wrong with it, and returns its part. An
// error is returned beside it.
func (c *extractCommand) runPart(cmd *cobra.Command, t *task, o writeOptions, opt pipeline.Options, shift *shifting, top *export.Dir) (*eachPart, error) {
	p := &eachPart{Part: t.part, Input: t.inputs[0]}
	fail := func(err error) (*eachPart, error) {
		if p.ExitCode, p.Error = exitCode(err), err.Error(); p.ExitCode != exitOutput {
			c.u.fail(err)
		}
		return p, err
	}
	if t.err != nil {
		return fail(t.err)
	}
	if t.done != nil {
		p.take(t.done, top.Root())
		if err := doneVerdict(t.done, false); err != nil {
			p.ExitCode = exitCode(err)
		}
		return p, nil
	}
	// Nothing leads out of the directory, whatever stands in it.
	if dir := filepath.FromSlash(t.part); dir != "." {
		if err := top.Root().MkdirAll(dir, 0o700); err != nil {
			return fail(errOutput(&export.WriteError{Path: filepath.Join(c.out, dir), Err: cause(err)}))
		}
	}
	o.out = filepath.Join(c.out, filepath.FromSlash(t.part))
	x, err := c.extract(cmd, c.reading(cmd, t.inputs, opt, shift), o)
	if err != nil {
		return fail(err)
	}
	defer x.r.source.Close()
	p.take(x.manifest, top.Root())
	switch verdict := c.u.verdict(x.r.source.Inputs(), x.r.stats, false); {
	case x.manifest.Interrupted:
		p.ExitCode = exitInterrupted
	case x.r.err != nil:
		return fail(&failure{code: exitFailure, err: x.r.err})
	default:
		p.ExitCode = exitCode(verdict)
	}
	return p, nil
}

// take fills the part with what its own manifest says.
func (p *eachPart) take(m *export.Manifest, root *os.Root) {
	p.Complete, p.Pairs, p.Flows = m.Complete, m.Pairs.Total, m.Flows
	if len(m.Inputs) > 0 {
		p.Size, p.SHA256, p.Packets = m.Inputs[0].Size, m.Inputs[0].SHA256, m.Inputs[0].Packets
	}
	if text, err := root.ReadFile(filepath.Join(filepath.FromSlash(p.Part), export.ManifestName)); err == nil {
		sum := fmt.Sprintf("%x", sha256.Sum256(text))
		p.Manifest = &sum
	}
}

func writeEachManifest(dir *export.Dir, m *eachManifest) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return err
	}
	f, err := dir.Create(export.ManifestName)
	if err != nil {
		return err
	}
	f.Write(b.Bytes()) // an error here shows again when the file is finished
	_, err = dir.Commit()
	return err
}

func tool() export.Tool {
	return export.Tool{Name: "recap", Version: toolVersion, Commit: sourceRevision(), Go: runtime.Version()}
}

// lookBack finds out whether an earlier call has finished t. Other options, another
// version or changed inputs are errors: results of two kinds would stand side by side.
func (c *extractCommand) lookBack(ctx context.Context, r *reading, t *task, options map[string]any) error {
	if t.err != nil {
		return nil
	}
	dir := filepath.Join(c.out, filepath.FromSlash(t.part))
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errNoManifest(dir, err)
	}
	defer root.Close()
	m, err := readManifest(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return errResume(dir, fmt.Errorf("%s: %w", export.ManifestName, cause(err)))
	case m.Tool.Version != toolVersion:
		return errResume(dir, fmt.Errorf("version %s of recap wrote it", m.Tool.Version))
	}
	if name, err := differentOption(m.Options, options); err != nil {
		return err
	} else if name != "" {
		return errResume(dir, fmt.Errorf("it was written with another --%s", name))
	}
	inputs := t.inputs
	if t.part == "." {
		if inputs, err = r.inputNames(ctx, t.inputs); err != nil {
			return err
		}
	}
	if len(inputs) != len(m.Inputs) {
		return errResume(dir, fmt.Errorf("it was made of %s, not %s", many(len(m.Inputs), "input", "inputs"), count(len(inputs))))
	}
	for i, in := range m.Inputs {
		if in.Name != inputs[i] {
			return errResume(dir, fmt.Errorf("it was made of %s, not of %s", in.Name, inputs[i]))
		}
		if in.SHA256 == nil {
			continue
		}
		err := compareFile(ctx, func() (*os.File, error) { return openRegular(os.Open, os.Stat, in.Name) }, in.Size, *in.SHA256)
		if ctx.Err() != nil {
			return errInterrupted("")
		}
		if errors.Is(err, errDiffers) {
			return errResume(dir, fmt.Errorf("input %s %w", in.Name, err))
		}
		if err != nil {
			return nil // extracting it will tell
		}
	}
	if m.Interrupted {
		return nil
	}
	for _, out := range m.Outputs {
		if info, err := root.Lstat(out.Name); err != nil || info.Size() != out.Size {
			return nil
		}
	}
	t.done = m
	return nil
}

// inputNames lists the inputs behind arguments.
func (r *reading) inputNames(ctx context.Context, args []string) ([]string, error) {
	if slices.Contains(args, "-") {
		return nil, errResumeStdin()
	}
	o := r.readerOptions(ctx)
	o.Hash = false
	c, err := reader.Open(ctx, args, o)
	if err != nil {
		return nil, &failure{code: exitFailure, err: err}
	}
	defer c.Close()
	var names []string
	for _, in := range c.Inputs() {
		names = append(names, in.Name)
	}
	return names, nil
}

// differentOption returns the name of the first option that is not the same; both
// are compared as JSON, which one of them has been.
func differentOption(was, is map[string]any) (string, error) {
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for _, name := range sortedKeys(names) {
		a, err := json.Marshal(was[name])
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(is[name])
		if err != nil {
			return "", err
		}
		if !bytes.Equal(a, b) {
			return name, nil
		}
	}
	return "", nil
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
