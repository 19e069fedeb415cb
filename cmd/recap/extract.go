package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"recap/export"
	"recap/export/all"
	"recap/pipeline"
	"recap/reader/blob"
)

const extractHelp = `Write every HTTP request/response pair of captures.

Several inputs are one capture: merged by capture time, and connections continue
across files. INPUT is a file, a directory (walked; captures are known by their
content, never by their name), a glob, or - for standard input. Formats are pcap,
pcapng and others, also compressed; inputs are only ever read.

DIR receives pairs.parquet, pairs.jsonl, flows.parquet (one row for each TCP
connection, HTTP or not) and, last, manifest.json: every option in force, hashes
of inputs and outputs, and the ledger, in which each packet and each payload byte
has its disposition. A directory without a manifest is not finished.

INPUT and DIR may be URLs: azblob://container/prefix, s3://bucket/prefix,
gs://bucket/prefix with the credentials of the environment, or an https:// URL with
its signature. They are read in place and written at once.

With --each every input, or set of rotated files, is a capture of its own: DIR gets
a directory for each, named after it, or with --partition one dataset of all, and a
manifest.json that lists them. One that fails does not stop the others. --resume
leaves alone what is finished. docs/scale-out.md tells of many machines.

Exit codes: 0 complete, 1 failure or wrong usage, 3 complete but some input was
cut, corrupt, missing from a stream or met a limit, 4 an output could not be
written, 5 interrupted.`

const extractExamples = `  recap extract capture.pcap
  recap extract -o incident --bodies-dir incident-bodies captures/
  recap extract -f jsonl -o - capture.pcapng | jq -r '[.response.status, .request.url] | @tsv'
  recap extract --where 'response.status >= 500 && request.host endsWith ".corp"' mirror.pcap
  recap extract --tunnel-port vxlan=4789,8472 --body-limit 0 'mirror-*.pcap.gz'
  recap extract --each --partition hive -o dataset --since 2026-11-20 azblob://insights-logs/subscriptions/
  ssh tap 'tcpdump -U -w - port 80' | recap extract -f jsonl -o - -`

type extractCommand struct {
	u         *ui
	limits    limits
	follow    following
	chosen    selection
	progress  choice
	profiles  profiles
	out       string
	formats   words
	where     string
	bodiesDir string
	redact    choice
	redactKey string
	keys      keylogs
	strict    bool
	overwrite bool
	resume    bool
	batch     batchFlags
}

func newExtract(u *ui) *cobra.Command {
	c := &extractCommand{
		u: u, limits: defaultLimits(), follow: newFollowing(), progress: newProgressChoice(),
		formats: words{values: []string{"parquet", "jsonl"}, allowed: chooseable()},
		redact:  choice{value: export.RedactNone.String(), words: []string{export.RedactNone.String(), export.RedactHeaders.String(), export.RedactStrict.String()}},
	}
	cmd := &cobra.Command{
		Use:     "extract [flags] INPUT...",
		Short:   "Write every HTTP request/response pair of captures",
		Long:    extractHelp,
		Example: extractExamples,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&c.out, "out", "o", "recap-out", "write into this `DIR`; - writes one line format to standard output")
	f.VarP(&c.formats, "format", "f", "what to write: "+strings.Join(c.formats.allowed, ", "))
	f.StringVar(&c.where, "where", "", "write only the pairs for which `EXPR` holds, for example 'response.status >= 500'")
	f.BoolVar(&c.overwrite, "overwrite", false, "write into DIR even if it holds something")
	f.StringVar(&c.bodiesDir, "bodies-dir", "", "also write each body into `DIR`, which may be a URL, named by its SHA-256 (ab/abcdef…)")
	f.Var(&c.redact, "redact", "what to keep back: headers takes credentials out of headers and URLs; strict also takes out every query value and all but plain headers, and drops bodies")
	f.StringVar(&c.redactKey, "redact-key", "", "replace equal secrets by equal names, made with the key in `FILE`")
	c.keys.register(f)
	f.BoolVar(&c.strict, "strict", false, "exit with 1 instead of 3 where the input is not whole")
	f.Var(&c.progress, "progress", "show progress on standard error; auto is only on a terminal")
	f.BoolVar(&c.resume, "resume", false, "leave what an earlier call has finished in DIR, and do the rest; its inputs and options must be the same")
	c.follow.register(cmd)
	c.chosen.register(f)
	c.batch.register(f)
	c.limits.registerBodies(f)
	c.limits.registerReading(f)
	c.profiles.register(f)
	fixedCompletion(cmd, "format", c.formats.allowed)
	fixedCompletion(cmd, "redact", c.redact.words)
	fixedCompletion(cmd, "progress", c.progress.words)
	_ = cmd.MarkFlagDirname("out")
	_ = cmd.MarkFlagDirname("bodies-dir")
	_ = cmd.MarkFlagDirname("cache")
	return cmd
}

// toStdout reports whether the pairs go to standard output.
func (c *extractCommand) toStdout() bool { return c.out == "-" }

// check finds wrong usage before anything is read or written.
func (c *extractCommand) check() error {
	if err := c.follow.refuse(); err != nil {
		return err
	}
	if err := c.batch.check(c.follow.each); err != nil {
		return err
	}
	if c.resume && c.overwrite {
		return errResumeOverwrite()
	}
	if c.toStdout() {
		if c.follow.each || c.resume {
			return errEachStdout()
		}
		if !c.formats.changed {
			c.formats.values = []string{"jsonl"}
		}
		if len(c.formats.values) != 1 || !isStream(c.formats.values[0]) {
			return errStdoutFormat(c.formats.values)
		}
		if c.bodiesDir != "" {
			return errStdoutBodies()
		}
	}
	if c.bodiesDir != "" && c.redact.value == export.RedactStrict.String() {
		return errRedactedBodies()
	}
	return nil
}

func (c *extractCommand) run(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	if err := c.check(); err != nil {
		return err
	}
	writeOpt, err := c.writeOptions()
	if err != nil {
		return err
	}
	opt := c.limits.options()
	if opt.Keys, err = c.keys.read(c.u); err != nil {
		return err
	}
	opt.HashBodies, opt.DecodeBodies, opt.VerifyChecksums = true, true, true
	c.follow.apply(&opt)
	if c.follow.each || c.resume {
		return c.runTasks(cmd, args, writeOpt, opt)
	}
	x, err := c.extract(ctx, cmd, c.reading(cmd, args, opt, nil), writeOpt)
	if err != nil {
		return err
	}
	defer x.r.source.Close()
	return c.conclude(ctx, x)
}

// reading returns how inputs are read. With a shifting the caller checks the offsets,
// and keeps the profiles.
func (c *extractCommand) reading(cmd *cobra.Command, inputs []string, opt pipeline.Options, shift *shifting) *reading {
	r := &reading{u: c.u, command: cmd.CommandPath(), inputs: inputs, limits: &c.limits, chosen: &c.chosen, options: opt,
		hash: !c.toStdout(), progress: c.progress.value, profiles: &c.profiles, shift: shift}
	if shift != nil {
		r.profiles, r.quiet = &profiles{}, true
	}
	return r
}

// An extraction is what became of one capture.
type extraction struct {
	r        *reading
	w        *writing
	manifest *export.Manifest // nil for standard output
}

// errGivenUp is the cause of a context whose capture is not to be finished, not even
// as a partial one.
var errGivenUp = errors.New("given up")

// extract reads r and writes everything, the manifest too. The caller closes the source.
func (c *extractCommand) extract(ctx context.Context, cmd *cobra.Command, r *reading, o writeOptions) (*extraction, error) {
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	x, err := c.extractOpen(ctx, cmd, r, o)
	if err != nil {
		r.source.Close()
	}
	return x, err
}

func (c *extractCommand) extractOpen(ctx context.Context, cmd *cobra.Command, r *reading, o writeOptions) (*extraction, error) {
	resolved := r.options.Resolved()
	if !r.quiet {
		c.warnLowered(cmd.Flags(), resolved)
	}
	w, err := c.openWriting(o, r)
	if err != nil {
		return nil, err
	}
	err = r.run(ctx, w.write)
	if err == nil && errors.Is(context.Cause(ctx), errGivenUp) {
		err = errGivenUp
	}
	if err != nil {
		w.abort()
		return nil, err
	}
	if err := w.finish(); err != nil {
		return nil, errOutput(err)
	}
	x := &extraction{r: r, w: w}
	if w.dir != nil {
		x.manifest = w.manifest(r, optionsInForce(cmd.Flags(), resolved))
		// Given up too late to matter: everything is there.
		x.manifest.Interrupted = ctx.Err() != nil && !errors.Is(context.Cause(ctx), errGivenUp)
		x.manifest.Complete = x.manifest.Complete && !x.manifest.Interrupted
		if err := w.dir.WriteManifest(x.manifest); err != nil {
			return nil, errOutput(err)
		}
	}
	return x, nil
}

// warnLowered tells of limits that were asked for and do not fit the memory.
func (c *extractCommand) warnLowered(f *pflag.FlagSet, resolved pipeline.Options) {
	limits := inForce(resolved)
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		to := size(limits[name])
		if flag := f.Lookup(name); flag.Changed && flag.Value.String() != to.String() {
			c.u.warnLowered(name, flag.Value.String(), int64(to))
		}
	}
}

// chooseable lists the formats that --format knows.
func chooseable() []string {
	var names []string
	for _, f := range all.Formats() {
		if !f.Always {
			names = append(names, f.Name)
		}
	}
	return names
}

func isStream(name string) bool {
	return slices.ContainsFunc(all.Formats(), func(f all.Format) bool { return f.Name == name && f.Stream })
}

// writeOptions turns flags into what the writing is told; mistakes are found here,
// before anything is read.
func (c *extractCommand) writeOptions() (writeOptions, error) {
	o := writeOptions{
		out: c.out, formats: c.formats.values, bodiesDir: c.bodiesDir, overwrite: c.overwrite,
		sinks: c.limits.sinks(),
	}
	var err error
	if o.redact, err = export.ParseRedaction(c.redact.value); err != nil {
		return o, err
	}
	if c.redactKey != "" {
		if o.redactKey, err = os.ReadFile(c.redactKey); err == nil && len(o.redactKey) == 0 {
			err = errors.New("is empty")
		}
		if err != nil {
			return o, errRedactKey(c.redactKey, err)
		}
	}
	if c.where != "" {
		if o.filter, err = export.NewFilter(c.where); err != nil {
			return o, errWhere(err)
		}
	}
	return o, nil
}

func (c *extractCommand) openWriting(o writeOptions, r *reading) (*writing, error) {
	stdout := c.u.out
	if isTerminal(stdout) {
		stdout = terminalJSON{stdout}
	}
	w, err := newWriting(o, r, stdout)
	switch {
	case errors.Is(err, export.ErrNotEmpty):
		return nil, errNotEmpty(blob.SafeName(o.out), err)
	case err != nil:
		return nil, errOutput(err)
	}
	return w, nil
}

// terminalJSON is a terminal to which JSON lines are written. What does not print
// is escaped there, which leaves the JSON the same. Sinks write whole lines.
type terminalJSON struct{ w io.Writer }

func (t terminalJSON) Write(b []byte) (int, error) {
	if _, err := t.w.Write(printableJSON(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// conclude tells the summary and finds the exit code.
func (c *extractCommand) conclude(ctx context.Context, x *extraction) error {
	r, w := x.r, x.w
	inputs := r.source.Inputs()
	s := summary{inputs: inputs, skipped: r.skipped, leftOut: r.leftOut, stats: r.stats, where: c.where != "", chosen: w.tally.Total, took: r.took}
	for _, o := range w.outputs {
		s.outputs = append(s.outputs, output{o.Name, o.Rows, o.Size})
		s.hasPairs = s.hasPairs || o.Name == "pairs.parquet"
	}
	partial := ""
	if w.dir != nil {
		s.dir = w.dir.Path()
		s.outputs = append(s.outputs, output{export.ManifestName, -1, -1})
		partial = s.dir
	}
	if w.bodies != nil {
		s.bodies, s.bodyFiles, s.bodyBytes = blob.SafeName(c.bodiesDir), w.bodies.Rows(), w.bodies.Bytes()
	}
	c.u.summarize(s)
	verdict := c.u.verdict(inputs, r.stats, c.strict)
	switch {
	case ctx.Err() != nil:
		return errInterrupted(partial)
	case r.err != nil:
		return &failure{code: exitFailure, err: r.err}
	}
	return verdict
}
