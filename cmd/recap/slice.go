package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/pipeline/bpf"
	"recap/pipeline/decap"
	"recap/reader"
	"recap/reader/blob"
	"recap/reader/packet"
	"recap/reader/pcapng"
)

const sliceHelp = `Write the captured packets of chosen pairs as pcapng, for other tools to look at.

DIR is a directory that extract has written. The inputs are read again, where
DIR/manifest.json says that they were, or below --inputs, and must not have changed.
Signatures are not in the manifest: for inputs that were read with one, --inputs is
the URL of the container, a prefix or a blob with a signature that is valid now.

Of each connection with chosen pairs come all packets from its start to the last
one of those pairs, ACKs, repetitions, fragments and the copies that other taps saw
included, and its close, unless more was said in between; behind a pair that is not
complete also what shows that: all up to the end of the next complete one, or of the
connection. Of a QUIC connection come all packets. Each packet has a comment
that names the pair, the input and its number there. Packets are as they were
captured, tunnels included.

recap extract with the same options finds the same pairs in the slice: the same
requests, responses and bodies. Their ids differ, because packets have other
numbers there; and pairs of the same connections that were not chosen may be there
too, the last of them cut. TLS keys are not copied: --keylog gives them again, and
--keep-secrets takes along all that the captures themselves hold.

--pair and --where add up.`

const sliceExamples = `  recap slice recap-out --pair 3f1c9a5e0b7d2468ace01357 -o pair.pcapng
  recap slice recap-out --where 'response.status >= 500' -o failures.pcapng
  recap slice recap-out --inputs 'https://ACCOUNT.blob.core.windows.net/CONTAINER/?SAS' --pair 3f1c9a5e0b7d2468ace01357 -o pair.pcapng
  recap slice recap-out --inputs /mnt/evidence --pair 3f1c9a5e0b7d2468ace01357 -o - | tshark -r - -V`

type sliceCommand struct {
	u         *ui
	pairs     []string
	where     string
	inputs    string
	out       string
	overwrite bool
	secrets   bool
}

func newSlice(u *ui) *cobra.Command {
	c := &sliceCommand{u: u}
	cmd := &cobra.Command{
		Use:     "slice [flags] DIR",
		Short:   "Write the captured packets of chosen pairs as pcapng",
		Long:    sliceHelp,
		Example: sliceExamples,
		RunE:    oneDir(c.run),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&c.pairs, "pair", nil, "choose the pair of this `ID`; repeatable")
	f.StringVar(&c.where, "where", "", "choose the pairs for which `EXPR` holds, for example 'response.status >= 500'")
	f.StringVarP(&c.out, "out", "o", "", "write this pcapng `FILE`; - is standard output")
	f.StringVar(&c.inputs, "inputs", "", "look for the captures below this `DIR`, or URL with a signature that is valid now")
	f.BoolVar(&c.overwrite, "overwrite", false, "replace FILE if it is there")
	f.BoolVar(&c.secrets, "keep-secrets", false, "copy the TLS keys that the captures themselves hold, those of other connections too")
	_ = cmd.MarkFlagDirname("inputs")
	_ = cmd.MarkFlagFilename("out", "pcapng")
	return cmd
}

// A slicing is one call of slice: what DIR says, and what is to be read again.
type slicing struct {
	manifest *export.Manifest
	inputs   []reader.Found // where they are now, in the order of the manifest
	below    []reader.Found // behind the URL where they were said to be
	reader   reader.Options
	decap    decap.Options
	filter   *bpf.Filter
	offsets  offsets
	plan     *plan
	pairs    int64
	keys     bool     // some were under TLS: reading them again takes the keys
	secrets  [][]byte // keys to copy
}

func (c *sliceCommand) run(ctx context.Context, dir string) error {
	filter, err := c.check()
	if err != nil {
		return err
	}
	at, err := openReadable(ctx, dir)
	dir = blob.SafeName(dir)
	if err != nil {
		return errNoManifest(dir, err)
	}
	defer at.Close()
	root := at.Root
	m, err := readManifest(root)
	if err != nil {
		return errNoManifest(dir, err)
	}
	s := &slicing{manifest: m}
	if err := s.options(); err != nil {
		return errManifestOptions(dir, err)
	}
	s.reader.Store = new(selection).newStore(pipeline.DefaultMem)
	if err := s.find(ctx, c.inputs); err != nil {
		return err
	}
	s.plan = newPlan(s.decap)
	s.plan.filter = s.filter
	if err := c.choose(root, dir, filter, s); err != nil {
		return err
	}
	picks, err := s.read(ctx, c.secrets)
	if err != nil {
		return sliceEnded(ctx, err)
	}
	n, err := c.write(ctx, dir, s, picks)
	if err != nil {
		return sliceEnded(ctx, err)
	}
	c.u.sliced(c.out, s, n)
	return nil
}

// sliceEnded is the failure that err means; a signal comes before everything.
func sliceEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted("")
	}
	return err
}

// check finds wrong usage before anything is read.
func (c *sliceCommand) check() (*export.Filter, error) {
	switch {
	case len(c.pairs) == 0 && c.where == "":
		return nil, errNothingChosen()
	case c.out == "":
		return nil, errNoOut()
	case c.out == "-" && isTerminal(c.u.out):
		return nil, errTerminal()
	}
	for i, id := range c.pairs {
		c.pairs[i] = strings.ToLower(id)
		if _, err := parseID(c.pairs[i]); err != nil {
			return nil, errPairID(err)
		}
	}
	if c.out != "-" && !c.overwrite {
		if _, err := os.Lstat(c.out); err == nil {
			return nil, errExists(c.out)
		}
	}
	if c.where == "" {
		return nil, nil
	}
	filter, err := export.NewFilter(c.where)
	if err != nil {
		return nil, errWhere(err)
	}
	return filter, nil
}

// namesHead finds expressions about heads, of which JSON lines hold few.
var namesHead = regexp.MustCompile(`\bhead\b`)

// choose reads pairs and connections of the directory into the plan.
func (c *sliceCommand) choose(root *os.Root, dir string, filter *export.Filter, s *slicing) error {
	chosen := map[string][]*pairPlace{} // by connection
	missing := map[string]bool{}
	for _, id := range c.pairs {
		missing[id] = true
	}
	take := func(r *pairPlace) {
		chosen[r.FlowID] = append(chosen[r.FlowID], r)
		s.pairs++
		s.keys = s.keys || r.TLS != nil && r.TLS.Decrypted
	}
	var err error
	if filter == nil {
		err = readPairs(root, func(r *pairPlace) error {
			if missing[r.ID] {
				take(r)
				delete(missing, r.ID)
			}
			return nil
		})
	} else {
		if _, noParquet := root.Lstat(pairsParquet); noParquet != nil && namesHead.MatchString(c.where) {
			return errNoHeads(dir)
		}
		match := matching(filter)
		err = readPairs(root, func(r *pairRow) error {
			ok, err := match(r)
			if err != nil {
				return err
			}
			if ok || missing[r.ID] {
				take(r.place())
				delete(missing, r.ID)
			}
			return nil
		})
	}
	switch {
	case err != nil:
		return errRows(dir, err)
	case len(missing) > 0:
		return errNoPair(dir, missing)
	case s.pairs == 0:
		return errNoneChosen(dir)
	}
	err = readParquet(root, flowsParquet, func(f *flowRow) error {
		pairs := chosen[f.FlowID]
		if pairs == nil {
			return nil
		}
		delete(chosen, f.FlowID)
		return s.plan.add(f, pairs)
	})
	if err != nil {
		return errRows(dir, err)
	}
	for id := range chosen {
		return errRows(dir, fmt.Errorf("%s: connection %s is not in it", flowsParquet, id))
	}
	if waiting := s.plan.incomplete(); len(waiting) > 0 {
		err = readPairs(root, func(r *pairPlace) error {
			if c := waiting[r.FlowID]; c != nil {
				c.follow(r)
			}
			return nil
		})
		if err != nil {
			return errRows(dir, err)
		}
		for _, c := range waiting {
			c.reach()
		}
	}
	return nil
}

// place returns the part of a row that says where the pair is.
func (r *pairRow) place() *pairPlace {
	p := &pairPlace{ID: r.ID, State: r.State, FlowID: r.FlowID, Tunnels: r.Tunnels, Vantages: r.Vantages,
		Capture: captureNumbers{r.Capture.FirstPacket, r.Capture.LastPacket}}
	if r.TLS != nil {
		p.TLS = &tlsPlace{r.TLS.Decrypted}
	}
	if r.Request != nil {
		p.Request = &messagePlace{r.Request.Packets}
	}
	if r.Response != nil {
		p.Response = &messagePlace{r.Response.Packets}
	}
	return p
}

// options takes over how extract read: packets must get the same numbers, and
// headers the same meaning.
func (s *slicing) options() error {
	number := func(name string) int64 {
		n, _ := s.manifest.Options[name].(float64)
		return int64(n)
	}
	s.reader = reader.Options{
		Hash:      true,
		MaxPacket: int(number("max-packet")), MaxBlock: int(number("max-block")),
		MaxInputBytes: number("max-input-bytes"), ZstdWindow: number("file-zstd-window"),
	}
	s.decap = decap.Options{MaxDepth: int(number("depth")), FragmentBytes: number("fragment-memory")}
	s.decap.MergeTunnels, _ = s.manifest.Options["merge-tunnels"].(bool)
	text, _ := s.manifest.Options["tunnel-port"].(string)
	ports := newFollowing().ports
	for word := range strings.FieldsSeq(text) {
		if err := ports.Set(word); err != nil {
			return fmt.Errorf("tunnel-port: %w", err)
		}
	}
	s.decap.TunnelPorts = ports.byTunnel
	shifts, _ := s.manifest.Options["clock-offset"].([]any)
	for _, text := range shifts {
		text, _ := text.(string)
		if err := s.offsets.Set(text); err != nil {
			return fmt.Errorf("clock-offset: %w", err)
		}
	}
	// The inputs may have moved: their offsets go by the names they had.
	shift := newShifting(&s.offsets)
	s.reader.ClockOffset = func(name string) int64 {
		if i := slices.IndexFunc(s.inputs, func(f reader.Found) bool { return f.Name == name }); i >= 0 {
			return shift.of(s.manifest.Inputs[i].Name)
		}
		return 0
	}
	if expr, _ := s.manifest.Options["bpf"].(string); expr != "" {
		var err error
		if s.filter, err = bpf.Compile(expr); err != nil {
			return fmt.Errorf("bpf: %w", err)
		}
	}
	return nil
}

// read goes through the capture for the first time: it holds the inputs against
// the manifest and finds the packets, and the keys if they are wanted.
func (s *slicing) read(ctx context.Context, secrets bool) ([]picked, error) {
	src, err := reader.OpenFound(ctx, s.inputs, s.reader)
	if err != nil {
		return nil, s.needsSignature(err)
	}
	defer src.Close()
	err = eachPacket(src, func(q *packet.Packet) error {
		s.plan.packet(q)
		return ctx.Err()
	})
	if err != nil {
		return nil, s.needsSignature(err)
	}
	for i, in := range src.Inputs() {
		want := s.manifest.Inputs[i]
		switch got := fmt.Sprintf("%x", in.SHA256); {
		case !in.Hashed:
			return nil, errInputChanged(in.Name, errNoHash)
		case got != *want.SHA256:
			return nil, errInputChanged(in.Name, fmt.Errorf("%w: SHA-256 %s, not %s", errDiffers, got, *want.SHA256))
		case in.Packets != want.Packets:
			return nil, errInputChanged(in.Name, fmt.Errorf("is read as %s, not %s: another version of recap wrote the manifest",
				many(in.Packets, "packet", "packets"), count(want.Packets)))
		}
		if secrets {
			s.secrets = append(s.secrets, in.Secrets...)
		}
	}
	for _, c := range s.plan.flows {
		if !c.found() {
			return nil, errNotFound(c)
		}
	}
	return s.plan.picks(), nil
}

// eachPacket calls f for every packet; io.EOF from it ends the reading.
func eachPacket(src packet.Source, f func(*packet.Packet) error) error {
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Packets {
			if err = f(&b.Packets[i]); err != nil {
				break
			}
		}
		b.Release()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// write goes through the capture again and copies the picks.
func (c *sliceCommand) write(ctx context.Context, dir string, s *slicing, picks []picked) (int64, error) {
	if c.out == "-" {
		return s.copy(ctx, dir, picks, export.NamedWriter("standard output", c.u.out))
	}
	out, err := createWhole(c.out, c.overwrite)
	if err != nil {
		return 0, err
	}
	defer out.abandon()
	n, err := s.copy(ctx, dir, picks, export.NamedWriter(c.out, out.f))
	if err != nil {
		return n, err
	}
	return n, out.finish()
}

// beforeEpoch is the clock offset of interfaces with packets older than 1970, seconds.
const beforeEpoch = -1 << 33

// copy copies the picks, and returns how many packets that were.
func (s *slicing) copy(ctx context.Context, dir string, picks []picked, to io.Writer) (n int64, err error) {
	opt := s.reader
	opt.Hash = false
	src, err := reader.OpenFound(ctx, s.inputs, opt)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	buf := bufio.NewWriterSize(to, 1<<20)
	w := pcapng.NewWriter(buf, pcapng.Section{Application: "recap " + toolVersion, Comment: sliceAbout(dir, s)})
	for _, text := range s.secrets {
		if err := w.Secrets(text); err != nil {
			return 0, errOutput(err)
		}
	}
	type key struct {
		file, iface int32
		link        packet.LinkType
		early       bool
	}
	ids := map[key]int{}
	say := &commentator{flows: s.plan.flows}
	var flows []int32
	err = eachPacket(src, func(q *packet.Packet) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(picks) == 0 {
			return io.EOF
		}
		if q.Number != picks[0].number {
			return nil
		}
		for flows = flows[:0]; len(picks) > 0 && picks[0].number == q.Number; picks = picks[1:] {
			flows = append(flows, picks[0].flow)
		}
		k := key{q.FileIndex, q.Interface, q.Link, q.TimeNS < 0 && q.TimeNS != packet.NoTime}
		id, ok := ids[k]
		if !ok {
			i := s.iface(src.Inputs()[q.FileIndex], q)
			if k.early {
				i.OffsetSec = beforeEpoch
			}
			var err error
			if id, err = w.Interface(&i); err != nil {
				return errOutput(err)
			}
			ids[k] = id
		}
		n++
		if err := w.Packet(id, q, say.about(q, s.manifest.Inputs[q.FileIndex].Name, flows)); err != nil {
			return errOutput(err)
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	if len(picks) > 0 {
		return n, errInputChanged(s.inputs[0].Name, errors.New("it changed while it was read"))
	}
	if err := buf.Flush(); err != nil {
		return n, errOutput(err)
	}
	return n, nil
}

// iface describes the interface that q was captured at.
func (s *slicing) iface(in *packet.Input, q *packet.Packet) packet.Interface {
	i := packet.Interface{SnapLen: 0}
	if int(q.Interface) < len(in.Interfaces) && q.Interface >= 0 {
		i = in.Interfaces[q.Interface]
	}
	i.Link, i.OffsetSec = q.Link, 0
	i.Description = sliceOrigin(s.manifest.Inputs[q.FileIndex].Name, i.Description)
	return i
}

// A wholeFile is a file that appears under its name when it is whole.
type wholeFile struct {
	f          *os.File
	name, temp string
	overwrite  bool
	done       bool
}

// createWhole starts a file. Captures hold credentials: nobody else may read it.
func createWhole(name string, overwrite bool) (*wholeFile, error) {
	temp := name + ".recap-tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, errOutput(&export.WriteError{Path: temp, Err: err})
	}
	return &wholeFile{f: f, name: name, temp: temp, overwrite: overwrite}, nil
}

// finish gives the file its name. Without overwrite a file that has it by now is kept.
func (w *wholeFile) finish() error {
	err := w.f.Sync()
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		if w.overwrite {
			err = os.Rename(w.temp, w.name)
		} else if err = os.Link(w.temp, w.name); err == nil {
			err = os.Remove(w.temp)
		} else if !errors.Is(err, fs.ErrExist) {
			err = os.Rename(w.temp, w.name) // a file system without links
		}
	}
	if errors.Is(err, fs.ErrExist) {
		return errExists(w.name)
	}
	if err != nil {
		return errOutput(&export.WriteError{Path: w.name, Err: err})
	}
	w.done = true
	return nil
}

// abandon removes what is not finished.
func (w *wholeFile) abandon() {
	if !w.done {
		w.f.Close()
		os.Remove(w.temp)
	}
}

// sortedKeys lists the keys of a set in order.
func sortedKeys(set map[string]bool) []string {
	var list []string
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
