package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/export/jsonl"
	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/all"
	"recap/replay/report"
	"recap/replay/vxlan"
	"recap/replay/wire"
)

const replayHelp = `Send the pairs of captures again, toward a live system, and prove what arrived.

SOURCE is an output directory of extract, with --each or --partition too,
pairs.parquet, pairs.jsonl, a HAR, a .gor file, or captures, which are read on the
fly; known by content, and - is standard input. Pairs go out in the order of their requests. Those that are not whole are
left out and counted, by reason.

Where to, as --to URL:
%s
Nothing is sent anywhere but to what --to names, and there only to loopback and
private addresses unless --allow-target says more; no redirects, no proxies.
Credentials are taken out of pairs, as extract --redact headers does, unless
--keep-secrets is given. To log in itself, replay takes RECAP_KAFKA_USER and
RECAP_KAFKA_PASSWORD, and RECAP_INGEST_TOKEN for Akto and Metlo, from the environment.

Every pair carries an X-Replay-Id in its request and its response. With --collect
the report says what came out of the system: seen, lost, duplicated, mispaired,
truncated, and where pairs were lost. An interrupt ends with a true report too.

Where the system's output is looked for, as --collect URL:
%s
RATE is original, a multiple of it (2x), 1.5gbps, 400kpps, 5000pairs/s, max, or a
ramp such as 100mbps..2gbps/60s. Bits count what the target puts on the wire.

The verdict is FAILED where a limit of --fail-if is missed, where --find-rate finds
no rate, and also where nobody set a limit but pairs could not be sent or, with
--collect, came out lost, duplicated, mispaired or cut.

Exit codes: 0 the verdict is OK or SENT; 1 failure or wrong usage; 3 some input was
damaged; 4 the report could not be written; 5 interrupted; 6 refused by a safety
rule; 7 the verdict is FAILED.`

const replayExamples = `  recap replay recap-out --to vxlan://10.0.0.5:4789?vni=7 --rate 1gbps --loop 0 --for 60s

  recap replay capture.pcap --to http://127.0.0.1:8080/ --rate 2x --report result
  recap replay recap-out --to kafka://127.0.0.1:9092/akto.api.logs?format=akto-json --rate max
  recap replay recap-out --to vxlan://127.0.0.1 --collect jsonl:out.jsonl --fail-if 'loss>0,dup>0'
  recap replay recap-out --to vxlan://127.0.0.1 --collect sink://127.0.0.1:9400 --find-rate loss=0.1%
  recap replay capture.pcap --to file:again.pcap`

type replayCommand struct {
	u      *ui
	limits limits
	follow following
	pick   selection

	to, collect string
	rate        rateFlag
	loops       uint64
	forTime     time.Duration
	limit       uint64
	vni         vniFlag
	packets     bool
	dryRun      bool
	findRate    string
	trial       time.Duration
	marker      choice
	runID       runIDFlag
	reportDir   string
	overwrite   bool
	failIf      []string
	allow       allowFlag
	allowUnsafe bool
	keepSecrets bool
	where       string
	incomplete  choice
	readAhead   limit
	lateAfter   time.Duration
	quiet       time.Duration
	hostMap     []string
	setHeaders  []string
	removes     []string
	showing     replayShowing
	profiles    profiles

	filter     *export.Filter
	passedOver atomic.Uint64 // pairs that --where left out
	read       []readPart
}

func newReplay(u *ui) *cobra.Command {
	c := &replayCommand{
		u: u, limits: defaultLimits(), follow: newFollowing(),
		marker:     choice{value: "on", words: []string{"on", "off"}},
		incomplete: choice{value: "skip", words: []string{"skip", "send"}},
		readAhead:  limit{replay.DefaultWindowBytes},
	}
	cmd := &cobra.Command{
		Use:     "replay [flags] SOURCE... --to URL",
		Short:   "Send pairs or packets toward a live system, with proof of what arrived",
		Long:    fmt.Sprintf(replayHelp, targetTable(), collectorTable()),
		Example: replayExamples,
		RunE:    func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.to, "to", "", "send to `URL`")
	f.Var(&c.rate, "rate", "how fast; file: takes max unless told otherwise")
	f.Uint64Var(&c.loops, "loop", 1, "go through the source `N` times; 0 is without end. Each loop has new addresses and ports")
	f.DurationVar(&c.forTime, "for", 0, "stop after this `TIME`, and without --loop repeat the source until then")
	f.Uint64Var(&c.limit, "limit", 0, "stop after `N` pairs (with --packets: packets)")
	f.StringVar(&c.where, "where", "", "send only the pairs for which `EXPR` holds, for example 'response.status < 400'")
	f.Var(&c.incomplete, "incomplete", "what to do with pairs whose bodies are not whole, or that have no response where the target needs one")
	f.BoolVar(&c.packets, "packets", false, "send the captured packets as they are, whatever they hold, credentials too")
	f.Var(&c.vni, "vni", "VXLAN networks to send in, as in 7 or 1-8: connections are spread over them")
	f.Var(&c.marker, "marker", "put an X-Replay-Id into each request and response; without, --collect can only count")
	f.Var(&c.runID, "run-id", "the number of the run in the markers, 8 hex digits, which other runs than this must not have; a run with the number of an earlier one, as its report tells it, sends the same addresses, ports and sequence numbers again")
	f.StringVar(&c.collect, "collect", "", "read what the system produced from `URL`: "+collectorList())
	f.DurationVar(&c.quiet, "quiet", replay.DefaultQuiet, "believe that nothing more comes out once nothing has for this `TIME`")
	f.DurationVar(&c.lateAfter, "late-after", replay.DefaultLateSeen, "count a pair as late that comes out more than this `TIME` after it was due")
	f.StringVar(&c.findRate, "find-rate", "", "search the highest rate that the system survives end to end, as in loss=0 or `loss=0.5%`; --rate is where to begin")
	f.DurationVar(&c.trial, "trial", 5*time.Second, "`TIME` of each trial of --find-rate")
	f.StringArrayVar(&c.failIf, "fail-if", nil, "exit with 7 if a `LIMIT` is exceeded, as in loss>0, dup>0, mispaired>0.1%, late>5s; a list, or repeatable. There are "+strings.Join(replay.LimitNames(), ", "))
	f.StringVar(&c.reportDir, "report", "", "write replay.json and a page to look at into `DIR`")
	f.BoolVar(&c.overwrite, "overwrite", false, "replace a report in DIR")
	f.BoolVar(&c.dryRun, "dry-run", false, "only tell what would be sent, and send nothing")
	f.Var(&c.allow, "allow-target", "allow what --to names wherever it is; =`LIST` allows addresses and networks beside it")
	f.Lookup("allow-target").NoOptDefVal = allowNamed
	f.BoolVar(&c.allowUnsafe, "allow-unsafe", false, "send also requests that may change something at an http target (POST, DELETE, …)")
	f.BoolVar(&c.keepSecrets, "keep-secrets", false, "send credentials as they were recorded")
	f.StringArrayVar(&c.hostMap, "host-map", nil, "give http requests for a recorded host another Host, as in `FROM=TO`; * is any; repeatable")
	f.StringArrayVar(&c.setHeaders, "set-header", nil, "set this `'NAME: VALUE'` in http requests; repeatable")
	f.StringArrayVar(&c.removes, "remove-header", nil, "take the header `NAME` out of http requests; repeatable")
	c.showing.register(cmd)
	c.profiles.register(f)
	c.follow.register(cmd)
	c.pick.register(f)
	f.Var(&c.readAhead, "read-ahead", "memory for bringing pairs into the order of their requests; a pair from further back is sent late, and counted. A source that fits is kept for all loops")
	asLimits(f, "read-ahead")
	c.limits.registerBodies(f)
	c.limits.registerReading(f)
	fixedCompletion(cmd, "marker", c.marker.words)
	fixedCompletion(cmd, "incomplete", c.incomplete.words)
	fixedCompletion(cmd, "rate", []string{"original", "2x", "max", "1gbps", "100kpps", "1000pairs/s"})
	fixedCompletion(cmd, "find-rate", []string{"loss=0", "loss=0.5%"})
	_ = cmd.RegisterFlagCompletionFunc("to", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var list []string
		for _, t := range all.Targets() {
			for _, s := range t.Schemes {
				list = append(list, s+schemeEnd(t.Local))
			}
		}
		return list, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	_ = cmd.MarkFlagDirname("report")
	return cmd
}

func (c *replayCommand) run(cmd *cobra.Command, args []string) error {
	return c.profiles.around(func() error { return c.replay(cmd, args) })
}

func (c *replayCommand) replay(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	o, search, err := c.options(ctx, cmd, args)
	if err != nil {
		return err
	}
	if c.dryRun {
		return c.dry(ctx, o)
	}
	stop, err := c.showing.start(c.u, o.Live)
	if err != nil {
		return err
	}
	var res *replay.Result
	if search != nil {
		res, err = replay.FindRate(ctx, o, *search)
	} else {
		res, err = replay.Run(ctx, o)
	}
	stop()
	if res == nil {
		return replayFailure(err)
	}
	return c.conclude(ctx, res, err)
}

// options turns flags into what a run is told. Everything that can be refused is,
// before anything is read or sent.
func (c *replayCommand) options(ctx context.Context, cmd *cobra.Command, args []string) (o replay.Options, search *replay.SearchOptions, err error) {
	if len(args) == 0 {
		return o, nil, errNoSource()
	}
	if err := c.follow.refuse(); err != nil {
		return o, nil, err
	}
	if c.where != "" {
		if c.filter, err = export.NewFilter(c.where); err != nil {
			return o, nil, errWhere(err)
		}
	}
	to, target, err := c.target()
	if err != nil {
		return o, nil, err
	}
	o = replay.Options{
		Rate: c.rate.Rate, Loops: c.loops, For: c.forTime, Limit: c.limit, Window: replay.Window{Bytes: int64(c.readAhead.size)},
		Incomplete: c.incomplete.value == "send", RequestOnly: target.RequestOnly, NoMarker: c.marker.value == "off",
		RunID: uint32(c.runID), LateSeen: c.lateAfter, Quiet: c.quiet, Live: new(replay.Live),
		Sources: sourceNames(args), To: to.Redacted(),
	}
	if target.Unpaced && !c.rate.set {
		o.Rate, _ = replay.ParseRate("max")
	}
	if c.forTime < 0 || c.quiet < 0 || c.trial <= 0 {
		return o, nil, errReplayTimes()
	}
	switch {
	case c.loops == 0:
		o.Loops = math.MaxUint64
	case c.forTime > 0 && !cmd.Flags().Changed("loop"):
		o.Loops = 0
	}
	for _, text := range c.failIf {
		list, err := replay.ParseLimits(text)
		if err != nil {
			return o, nil, errFailIf(err)
		}
		o.Limits = append(o.Limits, list...)
	}
	o.Guard = &replay.Guard{Public: c.allow.named, Extra: c.allow.extra, Peers: target.Peers}
	if !target.Local {
		o.Guard.Hosts = append(o.Guard.Hosts, hostsOf(to)...)
	} else if to.Scheme == "iface" {
		o.Interface = to.Opaque
	}
	if err := c.collector(&o); err != nil {
		return o, nil, err
	}
	if err := o.Guard.Resolve(ctx); err != nil {
		return o, nil, replayFailure(err)
	}
	if len(o.Guard.Hosts) > 0 && !target.Local {
		if addrs, err := o.Guard.Lookup(ctx, o.Guard.Hosts[0]); err == nil {
			o.Address = addrs[0]
			if to.Scheme == "vxlan" {
				o.UDP = vxlan.DefaultPort
				if n, err := strconv.ParseUint(to.Port(), 10, 16); err == nil {
					o.UDP = uint16(n)
				}
			}
		}
	}
	topt, err := c.targetOptions()
	if err != nil {
		return o, nil, err
	}
	o.Open = func(ctx context.Context, env replay.Env) (replay.Target, error) {
		return target.Open(ctx, to, topt, env)
	}
	if search, err = c.search(&o); err != nil {
		return o, nil, err
	}
	if c.packets {
		if !target.Packets {
			return o, nil, errNoPackets(to.Scheme)
		}
		switch {
		case c.filter != nil:
			return o, nil, errPacketsWhere()
		case search != nil:
			return o, nil, errPacketsFind()
		}
		for _, name := range args {
			if s, err := c.pairSource(name); err != nil || s != nil {
				return o, nil, errPacketsSource(name)
			}
		}
		if err := c.reading(cmd.CommandPath(), args, pipeline.Options{}).list(ctx); err != nil {
			return o, nil, err
		}
		if !c.keepSecrets && !c.dryRun {
			c.u.warnPacketsRaw()
		}
		if o.Collect != nil {
			c.u.warnPacketsCollect()
		}
		o.Packets = c.packetSource(cmd.CommandPath(), args)
		return o, search, nil
	}
	setMemory(int64(c.limits.mem.size)+2*int64(c.readAhead.size), gcPercentReplay)
	o.Source, err = c.pairSources(ctx, cmd.CommandPath(), args)
	return o, search, err
}

// target finds what --to names.
func (c *replayCommand) target() (*url.URL, all.Target, error) {
	if c.to == "" {
		return nil, all.Target{}, errNoTarget()
	}
	u, err := url.Parse(c.to)
	if err != nil {
		return nil, all.Target{}, errTarget(errors.New("it is not a URL"))
	}
	t, err := all.Find(u)
	if err != nil {
		return nil, t, errTarget(err)
	}
	if !t.Local && u.Hostname() == "" {
		return nil, t, errTarget(fmt.Errorf("%s names no host", u.Redacted()))
	}
	withSecrets(u, os.Getenv)
	return u, t, nil
}

// collector puts what --collect names into the options.
func (c *replayCommand) collector(o *replay.Options) error {
	if c.collect == "" {
		if c.findRate != "" {
			return errFindNeedsCollector()
		}
		return nil
	}
	u, err := url.Parse(c.collect)
	if err != nil {
		return errCollect(errors.New("it is not a URL"))
	}
	k, err := all.FindCollector(u)
	if err != nil {
		return errCollect(err)
	}
	withSecrets(u, os.Getenv)
	if !k.Local {
		if u.Hostname() == "" {
			return errCollect(fmt.Errorf("%s names no host", u.Redacted()))
		}
		o.Guard.Hosts = append(o.Guard.Hosts, hostsOf(u)...)
	}
	o.Guard.Peers = o.Guard.Peers || k.Peers
	o.CollectAt = u.Redacted()
	o.Collect = func(ctx context.Context, env replay.Env) (replay.Collector, error) { return k.Open(ctx, u, env) }
	return nil
}

// hostsOf lists the hosts that a URL names: its own, and further brokers.
func hostsOf(u *url.URL) []string {
	hosts := []string{u.Hostname()}
	for _, b := range u.Query()["broker"] {
		if v, err := url.Parse("//" + b); err == nil && v.Hostname() != "" {
			hosts = append(hosts, v.Hostname())
		}
	}
	return hosts
}

// search returns the options of --find-rate; nil without it.
func (c *replayCommand) search(o *replay.Options) (*replay.SearchOptions, error) {
	if c.findRate == "" {
		return nil, nil
	}
	loss, err := replay.ParseLoss(c.findRate)
	if err != nil {
		return nil, errFindRate(err)
	}
	s := &replay.SearchOptions{Loss: loss, Trial: c.trial}
	if c.rate.set {
		if s.Unit = o.Rate.Unit(); s.Unit == replay.NoUnit {
			return nil, errFindFrom(c.rate.String())
		}
		s.From = o.Rate.Amount(time.Second)
	}
	o.Loops = 0
	return s, nil
}

// targetOptions tells each target what the flags say.
func (c *replayCommand) targetOptions() (*all.Options, error) {
	var o all.Options
	frames := wire.Options{FirstVNI: c.vni.first, LastVNI: c.vni.last, Incomplete: c.incomplete.value == "send"}
	o.VXLAN.Options, o.File.Options, o.Iface.Options = frames, frames, frames
	if c.vni.first == c.vni.last {
		o.Kafka.VNI, o.Ingest.VNI = int64(c.vni.first), int64(c.vni.first)
	}
	o.Kafka.Recap = recapRecord()
	h := &o.HTTP
	h.AllowUnsafe, h.KeepSecrets, h.RemoveHeaders = c.allowUnsafe, c.keepSecrets, c.removes
	for _, text := range c.setHeaders {
		name, value, ok := strings.Cut(text, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, errSetHeader(text)
		}
		h.SetHeaders = append(h.SetHeaders, exchange.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	for _, text := range c.hostMap {
		from, to, ok := strings.Cut(text, "=")
		if !ok || from == "" || to == "" {
			return nil, errHostMap(text)
		}
		if h.HostMap == nil {
			h.HostMap = map[string]string{}
		}
		h.HostMap[strings.ToLower(from)] = to
	}
	return &o, nil
}

// recapRecord returns the writer of recap's own record, one line of pairs.jsonl.
func recapRecord() func([]byte, *exchange.Pair) []byte {
	var buf bytes.Buffer
	sink := jsonl.New(&buf, export.Options{Flush: true})
	return func(dst []byte, p *exchange.Pair) []byte {
		buf.Reset()
		b := exchange.NewBatch(nil)
		b.Pairs = append(b.Pairs, p)
		_ = sink.Write(b) // into memory
		b.Release()
		return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
	}
}

// dry tells what would be sent.
func (c *replayCommand) dry(ctx context.Context, o replay.Options) error {
	d, err := replay.Dry(ctx, o)
	if err != nil {
		return replayFailure(err)
	}
	c.u.dryRun(d, &o, c.passedOver.Load())
	if ctx.Err() != nil {
		return errInterrupted("")
	}
	return c.sourceVerdict()
}

// conclude tells the summary, writes the report and finds the exit code.
func (c *replayCommand) conclude(ctx context.Context, res *replay.Result, err error) error {
	if werr := report.Text(c.u.err, res); werr != nil {
		return errOutput(werr)
	}
	c.u.replayPassedOver(c.passedOver.Load())
	if res.Verdict.OK && res.Sent.Pairs+res.Sent.Packets == 0 {
		c.u.warnNothingSent(res.Schedule.LeftOut[replay.LeftNoResponse] > 0 && c.incomplete.value != "send")
	}
	if c.reportDir != "" {
		if werr := report.Write(c.reportDir, res, c.overwrite); werr != nil {
			return errReportDir(c.reportDir, werr)
		}
		c.u.replayReport(c.reportDir)
	}
	input := c.sourceVerdict()
	switch {
	case ctx.Err() != nil:
		return errReplayInterrupted(c.reportDir)
	case err != nil:
		return replayFailure(err)
	case !res.Verdict.OK:
		return errVerdict(&res.Verdict)
	}
	return input
}

// sourceVerdict tells what was wrong with captures that were read on the fly.
func (c *replayCommand) sourceVerdict() error {
	var err error
	for _, r := range c.read {
		if e := c.u.verdict(r.inputs, r.stats, false); e != nil {
			err = e
		}
	}
	return err
}

// replayFailure finds the exit code of what ended a run.
func replayFailure(err error) error {
	var f *failure
	switch {
	case err == nil, errors.As(err, &f):
		return err
	case errors.Is(err, replay.ErrRefused):
		return errRefused(err)
	}
	return errReplay(err)
}

// allowNamed is what --allow-target without a value means.
const allowNamed = "named"

func schemeEnd(local bool) string {
	if local {
		return ":"
	}
	return "://"
}

// targetTable lists the targets for --help.
func targetTable() string {
	var b strings.Builder
	for _, t := range all.Targets() {
		fmt.Fprintf(&b, "  %-24s %s\n", strings.Join(shortSchemes(t.Schemes), " "), t.Doc)
	}
	return b.String()
}

// collectorTable lists the collectors for --help.
func collectorTable() string {
	var b strings.Builder
	for _, k := range all.Collectors() {
		fmt.Fprintf(&b, "  %-24s %s\n", strings.Join(k.Schemes, " "), k.Doc)
	}
	return b.String()
}

// shortSchemes leaves out the s of those that are there with and without it.
func shortSchemes(list []string) (short []string) {
	for _, s := range list {
		if plain, ok := strings.CutSuffix(s, "s"); ok && slices.Contains(list, plain) {
			short[len(short)-1] = plain + "[s]"
			continue
		}
		short = append(short, s)
	}
	return short
}

// collectorList lists the collectors for --help.
func collectorList() string {
	var list []string
	for _, k := range all.Collectors() {
		for _, s := range k.Schemes {
			list = append(list, s+schemeEnd(k.Local))
		}
	}
	return strings.Join(list, ", ")
}

// isExists reports whether a report is in the way.
func isExists(err error) bool { return errors.Is(err, fs.ErrExist) }
