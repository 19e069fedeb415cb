package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"recap/pipeline"
	"recap/pipeline/bpf"
	"recap/pipeline/tcp"
	"recap/reader"
	"recap/reader/format"
)

// limits are the flags for what bounds recap's work and what it keeps, one each.
type limits struct {
	workers       int
	mem           limit
	bodyLimit     size
	headLimit     limit
	headerFields  positive
	outOfOrder    limit
	openExchanges positive
	decodeLimit   limit
	decodeLayers  positive
	zstdWindow    limit
	fragments     limit
	depth         positive
	maxPacket     limit
	maxBlock      limit
	maxInput      size
	fileWindow    limit
	offsets       offsets
}

func defaultLimits() limits {
	return limits{
		mem: limit{pipeline.DefaultMem}, bodyLimit: pipeline.DefaultBody, headLimit: limit{pipeline.DefaultHead},
		headerFields: pipeline.DefaultFields, outOfOrder: limit{pipeline.DefaultOutOfOrder},
		openExchanges: pipeline.DefaultOpenExchanges,
		decodeLimit:   limit{pipeline.DefaultDecode}, decodeLayers: pipeline.DefaultLayers,
		zstdWindow: limit{pipeline.DefaultZstdWindow},
		fragments:  limit{pipeline.DefaultFragments}, depth: pipeline.DefaultDepth,
		maxPacket: limit{format.DefaultMaxPacket}, maxBlock: limit{format.DefaultMaxBlock},
		fileWindow: limit{reader.DefaultZstdWindow},
	}
}

// registerReading adds the flags that every reading command has.
func (l *limits) registerReading(f *pflag.FlagSet) {
	f.IntVar(&l.workers, "workers", 0, "work on connections in `N` goroutines side by side; 0 is one per processor. The output does not depend on it")
	f.Var(&l.offsets, "clock-offset", "add a time to those of an input whose clock was wrong, before merging, as in tap2.pcap=+1.5ms; repeatable")
	f.Var(&l.mem, "mem", "memory for all state; connections unused for longest give way and go on as linked parts")
	f.Var(&l.fragments, "fragment-memory", "memory for IP fragments that wait for the rest")
	f.Var(&l.depth, "depth", "layers of encapsulation that are opened")
	f.Var(&l.outOfOrder, "out-of-order", "span of out-of-order data kept for each direction of a connection")
	f.Var(&l.openExchanges, "open-exchanges", "requests that may wait for responses in one connection")
	f.Var(&l.headLimit, "head-limit", "bytes of each head (start line and headers) that are stored")
	f.Var(&l.headerFields, "header-fields", "header fields of each message that are stored")
	f.Var(&l.maxPacket, "max-packet", "largest captured length of a packet that is believed")
	f.Var(&l.maxBlock, "max-block", "largest pcapng block that is believed")
	f.Var(&l.maxInput, "max-input-bytes", "bytes read of each input after decompression; 0 is no limit")
	f.Var(&l.fileWindow, "file-zstd-window", "largest window of inputs compressed with zstd")
	asLimits(f, "mem", "fragment-memory", "depth", "out-of-order", "open-exchanges", "head-limit", "header-fields",
		"max-packet", "max-block", "max-input-bytes", "file-zstd-window")
}

// registerBodies adds the flags about bodies, which only extract keeps.
func (l *limits) registerBodies(f *pflag.FlagSet) {
	f.Var(&l.bodyLimit, "body-limit", "bytes of each body that are stored, 0 for none; size and hash are always of the whole")
	f.Var(&l.decodeLimit, "decode-limit", "bytes that content decoding may give for one body")
	f.Var(&l.decodeLayers, "decode-layers", "content codings on top of each other that are undone")
	f.Var(&l.zstdWindow, "zstd-window", "largest window of bodies compressed with zstd")
	asLimits(f, "body-limit", "decode-limit", "decode-layers", "zstd-window")
}

// options returns what the pipeline is told.
func (l *limits) options() pipeline.Options {
	o := pipeline.Options{
		Workers: l.workers, Mem: int64(l.mem.size), BodyLimit: int64(l.bodyLimit), HeadLimit: int64(l.headLimit.size),
		HeaderFields: int(l.headerFields), OutOfOrder: int64(l.outOfOrder.size), OpenExchanges: int(l.openExchanges),
		DecodeLimit: int64(l.decodeLimit.size), DecodeLayers: int(l.decodeLayers), ZstdWindow: int64(l.zstdWindow.size),
		FragmentMemory: int64(l.fragments.size), Depth: int(l.depth),
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = -1 // 0 would be the default there
	}
	return o
}

// following are the flags that say how conversations are put together.
type following struct {
	overlap choice
	ports   ports
	split   bool
	merge   bool
	bpf     string
	filter  *bpf.Filter // nil without --bpf
	each    bool
}

func newFollowing() following {
	return following{
		overlap: choice{value: tcp.First.String(), words: tcp.PolicyNames(), name: "POLICY"},
		ports:   ports{known: []string{"ayiya", "capwap", "esp", "fou", "geneve", "gre", "gtpu", "gtpv0", "gue", "jmirror", "l2tp", "lisp", "lwapp", "mip", "mpls", "stt", "teredo", "tzsp", "vxlan", "vxlan-gpe"}}, // those that decap finds by port
	}
}

func (w *following) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&w.overlap, "overlap-policy", "which copy counts where TCP segments overlap with different bytes: "+strings.Join(w.overlap.words, ", ")+"; the conflict is recorded")
	f.Var(&w.ports, "tunnel-port", "UDP ports (of stt TCP ports) on which to expect a tunnel beside its usual ones, as in vxlan=8472,9999; repeatable")
	f.BoolVar(&w.split, "split-tunnels", false, "do not look for copies of a conversation that several taps saw, nor for its two directions in different tunnels")
	f.BoolVar(&w.merge, "merge-tunnels", false, "take connections that differ in their tunnels only for one")
	f.StringVar(&w.bpf, "bpf", "", "read only the packets for which `EXPR` holds, in the language of tcpdump, for example 'tcp port 80'; it sees the outermost headers")
	f.BoolVar(&w.each, "each", false, "treat every INPUT as a capture of its own")
	fixedCompletion(cmd, "overlap-policy", w.overlap.words)
}

// refuse returns an error for what these flags promise and recap cannot do yet, and
// for a filter that does not compile: a wish that is ignored would make the result a
// lie.
func (w *following) refuse() error {
	switch {
	case w.split && w.merge:
		return errSplitMerge()
	}
	if w.bpf == "" {
		return nil
	}
	var err error
	if w.filter, err = bpf.Compile(w.bpf); err != nil {
		return errBPF(err)
	}
	return nil
}

// apply puts the flags into the pipeline's options.
func (w *following) apply(o *pipeline.Options) {
	o.Overlap = w.overlap.value
	o.TunnelPorts = w.ports.byTunnel
	o.Filter = w.filter
	o.MergeTunnels, o.SplitTunnels = w.merge, w.split
	o.SplitTunnels = w.split
}

// optionsInForce returns every option that what is written depends on, defaults
// and limits too, for the manifest; limits as resolved says that the pipeline acts
// on them. Left out are those that must not change it: the manifest of one and of
// eight workers is the same.
func optionsInForce(f *pflag.FlagSet, resolved pipeline.Options) map[string]any {
	options := map[string]any{}
	f.VisitAll(func(flag *pflag.Flag) {
		switch flag.Name {
		case "help", "out", "overwrite", "workers", "progress", "strict", "cpuprofile", "memprofile", "bodies-dir", "redact-key",
			"each", "resume", "keylog", "cache", "jobs", "shard":
			return
		}
		switch v := flag.Value.(type) {
		case *size:
			options[flag.Name] = int64(*v)
		case *limit:
			options[flag.Name] = int64(v.size)
		case *positive:
			options[flag.Name] = int(*v)
		case *words:
			options[flag.Name] = v.values
		case *ports:
			options[flag.Name] = v.String()
		case *offsets:
			options[flag.Name] = v.list()
		default:
			options[flag.Name] = flag.Value.String()
			if flag.Value.Type() == "bool" {
				options[flag.Name] = flag.Value.String() == "true"
			}
		}
	})
	for name, n := range inForce(resolved) {
		options[name] = n
	}
	return options
}

// inForce returns the limits that the pipeline may bring down, by flag.
func inForce(resolved pipeline.Options) map[string]int64 {
	return map[string]int64{
		"body-limit":      max(resolved.BodyLimit, 0), // there, -1 is none
		"head-limit":      resolved.HeadLimit,
		"fragment-memory": resolved.FragmentMemory,
	}
}

// asLimits lists flags below a heading of their own in --help.
func asLimits(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		_ = f.SetAnnotation(name, limitGroup, []string{"true"})
	}
}

func fixedCompletion(cmd *cobra.Command, flag string, values []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func newProgressChoice() choice {
	return choice{value: "auto", words: []string{"auto", "always", "never"}}
}
