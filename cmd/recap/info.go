package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader"
	"recap/reader/blob"
	"recap/reader/packet"
)

const infoHelp = `Tell what is in captures, as one capture: formats, interfaces and link types,
time range, tunnels, protocols, hosts, the ledger, and damage; and how well they
were taken: what is missing and why that is likely so, copies, clock jumps, and
traffic that a filter could have left out, each with the packets that show it.
What comes from URLs is listed with its size before any of it is read.

Nothing is written but the report, on standard output. INPUT is a file, a
directory (walked; captures are known by their content, never by their name), a
glob, or - for standard input.`

const infoExamples = `  recap info capture.pcap
  recap info captures/ 'rotated-*.pcap.gz'
  zstdcat capture.pcap.zst | recap info --json - | jq .ledger`

type infoCommand struct {
	u        *ui
	limits   limits
	follow   following
	chosen   selection
	progress choice
	profiles profiles
	keys     keylogs
	json     bool
	list     bool
	strict   bool
}

func newInfo(u *ui) *cobra.Command {
	c := &infoCommand{u: u, limits: defaultLimits(), follow: newFollowing(), progress: newProgressChoice()}
	cmd := &cobra.Command{
		Use:     "info [flags] INPUT...",
		Short:   "Tell what is in captures",
		Long:    infoHelp,
		Example: infoExamples,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&c.json, "json", false, "write the report as one JSON object")
	f.BoolVar(&c.list, "list", false, "only list what would be read, with sizes, and read nothing")
	f.BoolVar(&c.strict, "strict", false, "exit with 1 instead of 3 where the input is not whole")
	f.Var(&c.progress, "progress", "show progress on standard error; auto is only on a terminal")
	c.keys.register(f)
	c.follow.register(cmd)
	c.chosen.register(f)
	c.limits.registerReading(f)
	c.profiles.register(f)
	fixedCompletion(cmd, "progress", c.progress.words)
	return cmd
}

func (c *infoCommand) run(ctx context.Context, args []string) error {
	if err := c.follow.refuse(); err != nil {
		return err
	}
	opt := c.limits.options()
	opt.BodyLimit, opt.CountPairs = -1, true
	c.follow.apply(&opt)
	var err error
	if opt.Keys, err = c.keys.read(c.u); err != nil {
		return err
	}
	r := c.reading(args, opt)
	if done, err := c.listFirst(ctx, r); done || err != nil {
		return err
	}
	if !c.follow.each || len(args) == 0 {
		return c.one(ctx, r)
	}
	if err := r.checkFlags(); err != nil {
		return err
	}
	shift := newShifting(&c.limits.offsets)
	tasks, err := r.listTasks(ctx, args, shift, false)
	if err != nil {
		return err
	}
	code := exitOK
	for i, t := range tasks {
		if ctx.Err() != nil {
			return errInterrupted("")
		}
		if i > 0 && !c.json {
			if _, err := io.WriteString(c.u.out, "\n"); err != nil {
				return errOutput(err)
			}
		}
		err := t.err
		if err == nil {
			one := c.reading(nil, opt)
			one.found, one.store, one.shift = t.found, r.store, shift
			err = c.one(ctx, one)
		}
		switch n := exitCode(err); n {
		case exitOutput, exitInterrupted:
			return err
		case exitOK:
		default:
			c.u.fail(err)
			if code != exitFailure {
				code = n
			}
		}
	}
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

// listFirst lists what would be read, where it is asked for or comes over a network,
// before any of it is. done says that no more is wanted.
func (c *infoCommand) listFirst(ctx context.Context, r *reading) (done bool, err error) {
	urls := slices.ContainsFunc(r.inputs, blob.IsURL)
	if len(r.inputs) == 0 || !c.list && (c.json || !urls || c.follow.each) {
		return false, nil
	}
	if err := r.checkFlags(); err != nil {
		return false, err
	}
	if err := r.list(ctx); err != nil {
		return false, err
	}
	for i := range r.found {
		// A file that is named may tell its size only when it is asked.
		if err := reader.Stat(ctx, &r.found[i], r.readerOptions(ctx)); err != nil {
			return false, unopened(ctx, err)
		}
	}
	l := listingOf(r.found, r.leftOut)
	w := export.NamedWriter("standard output", c.u.out)
	if c.json {
		err = l.writeJSON(w)
	} else {
		err = l.write(w)
	}
	if err != nil {
		return false, errOutput(err)
	}
	if !c.list {
		_, err = io.WriteString(w, "\n")
	}
	return c.list, err
}

func (c *infoCommand) reading(inputs []string, opt pipeline.Options) *reading {
	return &reading{u: c.u, command: "recap info", inputs: inputs, limits: &c.limits, chosen: &c.chosen, options: opt, progress: c.progress.value, profiles: &c.profiles}
}

// one reports on one capture.
func (c *infoCommand) one(ctx context.Context, r *reading) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.source.Close()
	drop := func(b *exchange.Batch) error {
		b.Release()
		return nil
	}
	if err := r.run(ctx, drop); err != nil {
		return err
	}
	if r.err != nil && ctx.Err() == nil {
		c.u.fail(r.err)
	}
	if err := c.report(r); err != nil {
		return errOutput(err)
	}
	verdict := c.u.verdict(r.source.Inputs(), r.stats, c.strict)
	switch {
	case ctx.Err() != nil:
		return errInterrupted("")
	case r.err != nil:
		return &failure{code: exitFailure}
	}
	return verdict
}

func (c *infoCommand) report(r *reading) error {
	w := export.NamedWriter("standard output", c.u.out)
	if !c.json {
		_, err := io.WriteString(w, infoText(r.source.Inputs(), r.stats))
		return err
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(infoOf(r.source.Inputs(), r.stats)); err != nil {
		return err
	}
	_, err := w.Write(printableJSON(buf.Bytes()))
	return err
}

// infoReport is what info --json writes; names are those of the manifest where it
// has the same thing.
type infoReport struct {
	Inputs      []infoInput           `json:"inputs"`
	FirstTime   *string               `json:"first_time"`
	FirstTimeNS *int64                `json:"first_time_ns"`
	LastTime    *string               `json:"last_time"`
	LastTimeNS  *int64                `json:"last_time_ns"`
	Pairs       int64                 `json:"pairs"`
	States      map[string]int64      `json:"pairs_by_state"`
	Connections int64                 `json:"connections"`
	Protocols   map[string]int64      `json:"connections_by_protocol"`
	Tunnels     []infoTunnels         `json:"tunnels"`
	Anomalies   map[string]int64      `json:"anomalies"`
	Ledger      export.ManifestLedger `json:"ledger"`
	Complete    bool                  `json:"complete"`
	Reasons     map[string]int64      `json:"incomplete"`
	Health      *healthReport         `json:"health"`
}

// infoInput is an input with link types by name.
type infoInput struct {
	export.ManifestInput
	Links []string `json:"link_types"`
}

type infoTunnels struct {
	Stack   []infoTunnel `json:"stack"`
	Packets int64        `json:"packets"`
}

type infoTunnel struct {
	Type string  `json:"type"`
	ID   *int64  `json:"id"`
	Src  *string `json:"src"`
	Dst  *string `json:"dst"`
}

func infoOf(inputs []*packet.Input, stats *pipeline.Stats) *infoReport {
	r := &infoReport{
		Inputs: []infoInput{}, Tunnels: []infoTunnels{},
		Pairs: stats.Pairs, States: orEmpty(stats.States),
		Connections: stats.Flows, Protocols: orEmpty(stats.Protocols), Anomalies: orEmpty(stats.Anomalies),
		Ledger: export.LedgerOf(&stats.Ledger), Complete: !stats.Incomplete, Reasons: orEmpty(stats.Reasons),
		Health: healthOf(inputs, stats),
	}
	for _, in := range inputs {
		m := export.InputOf(in)
		// Lists are never null.
		m.Interfaces = append([]packet.Interface{}, m.Interfaces...)
		m.Damage = append([]export.Damage{}, m.Damage...)
		r.Inputs = append(r.Inputs, infoInput{m, linksOf(in)})
		r.Complete = r.Complete && in.DamageCount == 0
	}
	first, last := captureRange(inputs)
	r.FirstTime, r.FirstTimeNS = jsonTime(first)
	r.LastTime, r.LastTimeNS = jsonTime(last)
	for _, t := range stats.Tunnels {
		stack := []infoTunnel{}
		for _, e := range t.Tunnels {
			j := infoTunnel{Type: e.Type, Src: jsonAddr(e.Src), Dst: jsonAddr(e.Dst)}
			if e.ID >= 0 {
				j.ID = &e.ID
			}
			stack = append(stack, j)
		}
		r.Tunnels = append(r.Tunnels, infoTunnels{stack, t.Packets})
	}
	return r
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func jsonTime(ns int64) (*string, *int64) {
	if ns == packet.NoTime {
		return nil, nil
	}
	s := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
	return &s, &ns
}

func jsonAddr(a netip.Addr) *string {
	if !a.IsValid() {
		return nil
	}
	s := a.String()
	return &s
}

// linksOf lists the link types of an input, each once, in the order of its interfaces.
func linksOf(in *packet.Input) []string {
	names := []string{}
	seen := map[packet.LinkType]bool{}
	for _, f := range in.Interfaces {
		if !seen[f.Link] {
			seen[f.Link] = true
			names = append(names, linkName(f.Link))
		}
	}
	return names
}
