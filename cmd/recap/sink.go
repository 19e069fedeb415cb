package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/export/all"
	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
	"recap/replay"
	"recap/replay/kafka"
	"recap/replay/record"
	"recap/replay/sink"
	"recap/replay/sink/udp"
)

const sinkHelp = `Receive what replay sends, count it, and say what was seen.

It takes mirrored packets in VXLAN, the HTTP batches of Akto and Metlo, and the
records of a Kafka topic, any of them side by side. Packets go through the pipeline
of extract. The HTTP endpoints keep to the documented rules of the two ingestors,
their limits, refusals and silent drops included. A user and a password for Kafka are
taken from RECAP_KAFKA_USER and RECAP_KAFKA_PASSWORD.

With --serve, recap replay --collect sink://HOST:PORT reads what was seen and holds
it against what was sent. At --rate max it waits while the sink has more than it can
take, unless the URL ends in ?hold=off. --fault makes the sink do wrong: what befalls a pair depends
on its number in its run and on --seed, nothing else, and --json lists the numbers.

  drop=1%       lose pairs (or every:100 for each hundredth; so for all shares)
  mispair=0.1%  answer a request with the response of another pair
  truncate=1%   lose the second half of a body
  duplicate=1%  give pairs out twice
  blind=20s@10s see nothing for 20 s, 10 s after the start of the run
  delay=200ms   tell of pairs later
  limit=5000pairs/s  lose what comes faster than that (this one goes by the clock)

An address without a host is on loopback; 0.0.0.0:PORT is on all interfaces. It ends
with --for, or with the first interrupt, in good order.`

const sinkExamples = `  recap sink --vxlan :4789
  recap sink --vxlan :4789 --serve :4790 --for 60s --json
  recap sink --akto :9090 --metlo :8081 --serve :4790 --fault drop=1%
  recap sink --kafka 127.0.0.1:9092/akto.api.logs -f jsonl -o - > seen.jsonl`

type sinkCommand struct {
	u         *ui
	limits    limits
	vxlan     string
	akto      string
	metlo     string
	kafka     string
	serve     string
	aktoToken string
	metloKey  string
	faults    []string
	seed      uint64
	duration  time.Duration
	out       string
	formats   words
	overwrite bool
	json      bool
	progress  choice
	profiles  profiles
}

func newSink(u *ui) *cobra.Command {
	c := &sinkCommand{u: u, limits: defaultLimits(), progress: newProgressChoice(),
		formats: words{values: []string{"parquet", "jsonl"}, allowed: chooseable()}}
	cmd := &cobra.Command{
		Use:     "sink [flags]",
		Short:   "A reference ingestor: receive what replay sends, count, report",
		Long:    sinkHelp,
		Example: sinkExamples,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.profiles.around(func() error { return c.run(cmd, args) })
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.vxlan, "vxlan", "", "receive mirrored packets in VXLAN on this UDP `ADDRESS`, as in :4789")
	f.StringVar(&c.akto, "akto", "", "be Akto's data ingestion service on this `ADDRESS`")
	f.StringVar(&c.metlo, "metlo", "", "be Metlo's collector on this `ADDRESS`")
	f.StringVar(&c.kafka, "kafka", "", "read this topic from its end, `BROKER:PORT/TOPIC`; ?format= says the form of its records")
	f.StringVar(&c.serve, "serve", "", "tell replay --collect sink://ADDRESS what is seen, on this `ADDRESS`")
	f.StringArrayVar(&c.faults, "fault", nil, "do wrong, as in drop=1% (see above); repeatable")
	f.Uint64Var(&c.seed, "seed", 0, "choose other pairs for faults that are given in per cent")
	f.DurationVar(&c.duration, "for", 0, "end after this `TIME`, as in 60s")
	f.BoolVar(&c.json, "json", false, "write the counts to standard output as JSON at the end")
	f.StringVarP(&c.out, "out", "o", "", "write the pairs that were seen into this `DIR`; - writes one line format to standard output")
	f.VarP(&c.formats, "format", "f", "what to write: "+strings.Join(c.formats.allowed, ", "))
	f.BoolVar(&c.overwrite, "overwrite", false, "write into DIR even if it holds something")
	f.StringVar(&c.aktoToken, "akto-token", "", "want this `TEXT` in the authorization header of requests to --akto")
	f.StringVar(&c.metloKey, "metlo-key", "", "want this `TEXT` in the Authorization header of requests to --metlo")
	f.Var(&c.progress, "progress", "show counts on standard error while it runs; auto is only on a terminal")
	c.profiles.register(f)
	f.IntVar(&c.limits.workers, "workers", 0, "work on connections in `N` goroutines side by side; 0 is one per processor")
	f.Var(&c.limits.mem, "mem", "memory for all state of connections")
	f.Var(&c.limits.bodyLimit, "body-limit", "bytes of each body that are stored, 0 for none; sizes are always of the whole")
	asLimits(f, "mem", "body-limit")
	fixedCompletion(cmd, "format", c.formats.allowed)
	fixedCompletion(cmd, "progress", c.progress.words)
	_ = cmd.MarkFlagDirname("out")
	return cmd
}

// check finds wrong usage before anything listens.
func (c *sinkCommand) check(args []string) (f sink.Faults, err error) {
	switch {
	case len(args) > 0:
		return f, errTooMany("recap sink", "no arguments")
	case c.vxlan+c.akto+c.metlo+c.kafka == "":
		return f, errNoWayIn()
	case c.limits.workers < 0:
		return f, errWorkers("recap sink")
	case c.duration < 0:
		return f, errSinkTime()
	case c.out == "-" && c.json:
		return f, errTwoOutputs()
	}
	f.Seed = c.seed
	for _, text := range c.faults {
		if err := f.Add(text); err != nil {
			return f, errFault(err)
		}
	}
	if c.out == "-" {
		if !c.formats.changed {
			c.formats.values = []string{"jsonl"}
		}
		if len(c.formats.values) != 1 || !isStream(c.formats.values[0]) {
			return f, errStdoutFormat(c.formats.values)
		}
	}
	return f, nil
}

func (c *sinkCommand) run(cmd *cobra.Command, args []string) error {
	faults, err := c.check(args)
	if err != nil {
		return err
	}
	setMemory(int64(c.limits.mem.size), gcPercent)
	s := &sinking{sinkCommand: c, start: time.Now(), failed: make(chan error, 8)}
	defer s.abort()
	if err := s.open(cmd.Context(), faults); err != nil {
		return err
	}
	s.work()
	c.u.sinkListens(s.places())
	stop := s.show()
	ended := s.wait(cmd.Context())
	stop()
	if err := s.end(); ended == nil {
		ended = err
	}
	report := s.report()
	c.u.sinkSummary(report)
	if c.json {
		e := json.NewEncoder(c.u.out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return errOutput(err)
		}
	}
	if err := s.finish(cmd); err != nil {
		return errOutput(err)
	}
	return ended
}

// A sinking is a sink at work.
type sinking struct {
	*sinkCommand
	start time.Time
	took  time.Duration

	hub     *sink.Hub
	stream  *sink.Stream
	source  *udp.Source
	tail    *kafka.Tail
	topic   string // of tail, as in --kafka, without a password
	form    string // of the records of the topic
	doubles []*double
	metlo   *sink.Metlo

	stopping context.CancelFunc // of the tail
	parts    sync.WaitGroup
	failed   chan error
	stats    *pipeline.Stats
	pipeErr  error

	mu     sync.Mutex // guards the writing
	w      *writing
	number uint64 // of pairs that came as records
	outErr error
}

// A double is one HTTP ingestor.
type double struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// open listens everywhere and opens the output.
func (s *sinking) open(ctx context.Context, faults sink.Faults) error {
	if s.serve != "" {
		l, err := net.Listen("tcp", listenAddress(s.serve))
		if err != nil {
			return errListen("serve", err)
		}
		s.stream = sink.NewStream(l)
	}
	s.hub = sink.NewHub(faults, s.stream)
	if s.akto != "" {
		if err := s.double("akto", s.akto, &sink.Akto{Hub: s.hub, Out: s.records, Token: s.aktoToken}); err != nil {
			return err
		}
	}
	if s.sinkCommand.metlo != "" {
		s.metlo = sink.NewMetlo(s.hub, s.records, s.metloKey)
		if err := s.double("metlo", s.sinkCommand.metlo, s.metlo); err != nil {
			return err
		}
	}
	if s.kafka != "" {
		if err := s.openTopic(ctx); err != nil {
			return err
		}
	}
	if s.vxlan != "" {
		var err error
		if s.source, err = udp.Listen(listenAddress(s.vxlan), udp.Options{}); err != nil {
			return errListen("vxlan", err)
		}
	}
	return s.openOutput()
}

func (s *sinking) double(name, address string, h http.Handler) error {
	l, err := net.Listen("tcp", listenAddress(address))
	if err != nil {
		return errListen(name, err)
	}
	s.doubles = append(s.doubles, &double{name, l, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}})
	return nil
}

// openTopic finds the topic's end. The guard lets the cluster name its members.
func (s *sinking) openTopic(ctx context.Context) error {
	text := s.kafka
	if !strings.Contains(text, "://") {
		text = "kafka://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return errTopic(errors.New("it is not BROKER:PORT/TOPIC"))
	}
	withSecrets(u, os.Getenv)
	s.topic = strings.TrimPrefix(u.Redacted(), "kafka://")
	if s.form = u.Query().Get("format"); s.form != "" && !slices.Contains(record.Formats(), s.form) {
		return errTopicFormat(s.form)
	}
	topic, err := kafka.ParseURL(u)
	if err != nil {
		return errTopic(err)
	}
	guard := &replay.Guard{Hosts: []string{u.Hostname()}, Public: true, Peers: true}
	if err := guard.Resolve(ctx); err != nil {
		return errTopic(err)
	}
	if s.tail, err = kafka.NewTail(ctx, topic, guard.Dial); err != nil {
		return errTopic(err)
	}
	return nil
}

func (s *sinking) openOutput() error {
	if s.out == "" {
		return nil
	}
	var err error
	s.w, err = newWriting(writeOptions{out: s.out, formats: s.formats.values,
		sinks: s.limits.sinks(), open: s.openDir}, nil, s.u.out)
	switch {
	case errors.Is(err, export.ErrNotEmpty):
		return errNotEmpty(s.out, err)
	case err != nil:
		return errOutput(err)
	}
	return nil
}

func (s *sinking) openDir(*reading) (*export.Dir, func(all.Format) string, error) {
	dir, err := export.OpenDir(s.out, s.overwrite)
	return dir, func(f all.Format) string { return f.File }, err
}

// listenAddress is address on loopback where it names no host.
func listenAddress(address string) string {
	if host, port, err := net.SplitHostPort(address); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// work begins to take what comes.
func (s *sinking) work() {
	for _, d := range s.doubles {
		s.parts.Go(func() {
			if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
				s.fail(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stopping = cancel
	if s.tail != nil {
		s.parts.Go(func() { s.fail(s.hub.Consume(ctx, s.tail, s.form, s.records)) })
	}
	if s.source != nil {
		if s.stream != nil {
			go s.hub.WatchBacklog(ctx, s.source.Backlog)
		}
		opt := s.limits.options()
		opt.DecodeBodies, opt.HashBodies, opt.Prompt = true, s.w != nil, true
		if s.w == nil {
			opt.BodyLimit = -1 // only sizes are asked for
		}
		s.parts.Go(func() {
			// Not with the command's context: what has come is worked off after a signal.
			s.stats, s.pipeErr = pipeline.Run(context.Background(), s.source, opt, s.pairs)
			s.fail(s.pipeErr)
		})
	}
}

// fail ends the sink where err is one.
func (s *sinking) fail(err error) {
	if err != nil {
		select {
		case s.failed <- err:
		default:
		}
	}
}

// wait returns when the sink is to end, with the error that ends it, if any.
func (s *sinking) wait(ctx context.Context) error {
	var timer <-chan time.Time
	if s.duration > 0 {
		timer = time.After(s.duration)
	}
	select {
	case <-ctx.Done():
	case <-timer:
	case err := <-s.failed:
		return err
	}
	return nil
}

// end takes what is still under way and closes every way in.
func (s *sinking) end() error {
	for _, d := range s.doubles {
		ctx, cancel := context.WithTimeout(context.Background(), endPatience)
		if d.server.Shutdown(ctx) != nil {
			d.server.Close()
		}
		cancel()
	}
	if s.stopping != nil {
		s.stopping()
	}
	if s.source != nil {
		s.source.Stop()
	}
	s.parts.Wait()
	if s.metlo != nil {
		s.metlo.Close()
		s.metlo = nil
	}
	if s.stream != nil {
		s.stream.Close()
	}
	s.took = time.Since(s.start)
	select {
	case err := <-s.failed:
		return err
	default:
		return nil
	}
}

// endPatience bounds how long requests under way are waited for at the end.
const endPatience = 5 * time.Second

// abort closes what is still open, however far it got.
func (s *sinking) abort() {
	for _, d := range s.doubles {
		d.server.Close()
		d.listener.Close()
	}
	if s.metlo != nil {
		s.metlo.Close()
	}
	if s.stopping != nil {
		s.stopping()
	}
	if s.tail != nil {
		s.tail.Close()
	}
	if s.source != nil {
		s.source.Close()
	}
	if s.stream != nil {
		s.stream.Close()
	}
	if s.w != nil {
		s.w.abort()
	}
}

// pairs takes a batch of the pipeline, with its reference.
func (s *sinking) pairs(b *exchange.Batch) error {
	pairs := s.hub.Pass(b.Pairs)
	if s.w == nil {
		b.Release()
		return nil
	}
	// A batch of its own: the pipeline takes the pairs of its batch back, each once.
	c := exchange.NewBatch(func(*exchange.Batch) { b.Release() })
	c.Pairs, c.Flows, c.Messages = pairs, b.Flows, b.Messages
	return s.write(c)
}

// records takes pairs that came as records; they have no name of their own.
func (s *sinking) records(pairs []*exchange.Pair) {
	if s.w == nil {
		return
	}
	s.mu.Lock()
	for _, p := range pairs {
		s.number++
		binary.BigEndian.PutUint64(p.ID[4:], s.number)
	}
	s.mu.Unlock()
	b := exchange.NewBatch(nil)
	b.Pairs = pairs
	s.fail(s.write(b))
}

func (s *sinking) write(b *exchange.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.w.write(b)
	if err != nil && s.outErr == nil {
		s.outErr = err
	}
	return err
}

// finish gives the files their names.
func (s *sinking) finish(cmd *cobra.Command) error {
	if s.w == nil {
		return s.outErr
	}
	if err := errors.Join(s.outErr, s.w.finish()); err != nil || s.w.dir == nil {
		return err
	}
	r := &reading{source: noCapture{}, stats: s.stats, err: s.pipeErr}
	if s.source != nil {
		r.source = s.source
	}
	if r.stats == nil {
		r.stats = &pipeline.Stats{FirstNS: exchange.NoTime, LastNS: exchange.NoTime}
	}
	options := optionsInForce(cmd.Flags(), s.limits.options().Resolved())
	for _, secret := range []string{"akto-token", "metlo-key"} {
		delete(options, secret)
	}
	return s.w.dir.WriteManifest(s.w.manifest(r, options))
}

// noCapture is the source of a sink that receives no packets.
type noCapture struct{ packet.Source }

func (noCapture) Inputs() []*packet.Input { return nil }
