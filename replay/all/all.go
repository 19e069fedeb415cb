// Package all lists the targets and the collectors of replay. A new one is one line here.
package all

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"recap/replay"
	"recap/replay/collect"
	"recap/replay/file"
	"recap/replay/http"
	"recap/replay/iface"
	"recap/replay/ingest"
	"recap/replay/kafka"
	"recap/replay/vxlan"
)

// Options of all targets; each takes its own.
type Options struct {
	VXLAN  vxlan.Options
	File   file.Options
	Iface  iface.Options
	HTTP   http.Options
	Kafka  kafka.Options
	Ingest ingest.Options
}

// A Target is one kind of target.
type Target struct {
	Schemes []string
	Doc     string // what is sent, for --help
	// RequestOnly targets have no use for responses.
	RequestOnly bool
	// Peers says that the place named tells of further places to send to: the members
	// of a cluster.
	Peers bool
	// Local targets send to no address: the URL names no host.
	Local bool
	// Packets says that it takes captured packets as well.
	Packets bool
	// Unpaced targets are not paced by the clock unless a rate is asked for.
	Unpaced bool
	Open    func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error)
}

// Targets lists all targets.
func Targets() []Target {
	return []Target{
		{Schemes: []string{"vxlan"}, Packets: true, Doc: "TCP conversations made of the pairs, as mirrored packets in VXLAN",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return vxlan.Open(ctx, u, o.VXLAN, env)
			}},
		{Schemes: []string{"kafka"}, Peers: true, Doc: "one record for each pair; ?format= akto-json, akto-proto, recap or goreplay",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return kafka.Open(ctx, u, o.Kafka, env)
			}},
		{Schemes: []string{"akto+http", "akto+https", "metlo+http", "metlo+https"}, Doc: "batches in the ingestor's own format",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return ingest.Open(ctx, u, o.Ingest, env)
			}},
		{Schemes: []string{"http", "https"}, RequestOnly: true, Doc: "the requests again; responses are compared with the recorded ones",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return http.Open(ctx, u, o.HTTP, env)
			}},
		{Schemes: []string{"file"}, Local: true, Packets: true, Unpaced: true, Doc: "the packets, into a capture file",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return file.Open(ctx, u, o.File, env)
			}},
		{Schemes: []string{"iface"}, Local: true, Packets: true, Doc: "the packets, raw onto an interface",
			Open: func(ctx context.Context, u *url.URL, o *Options, env replay.Env) (replay.Target, error) {
				return iface.Open(ctx, u, o.Iface, env)
			}},
	}
}

// A Collector is one kind of collector.
type Collector struct {
	Schemes []string
	Doc     string
	Peers   bool
	Local   bool // the URL names no host
	Open    func(ctx context.Context, u *url.URL, env replay.Env) (replay.Collector, error)
}

// Collectors lists all collectors.
func Collectors() []Collector {
	return []Collector{
		{Schemes: []string{"kafka"}, Peers: true, Doc: "a topic, from where it ends; ?format= as for the target", Open: collect.OpenKafka},
		{Schemes: []string{"jsonl"}, Local: true, Doc: "a file of JSON lines, or all below a directory, that grow", Open: collect.OpenFile},
		{Schemes: []string{"http"}, Local: true, Doc: "records that are posted to this address, where replay listens", Open: collect.OpenHTTP},
		{Schemes: []string{"sink"}, Doc: "what a recap sink sees (its --serve)", Open: collect.OpenSink},
	}
}

// Find returns the target for a URL's scheme.
func Find(u *url.URL) (Target, error) {
	return find(u, Targets(), func(t Target) []string { return t.Schemes })
}

// FindCollector returns the collector for a URL's scheme.
func FindCollector(u *url.URL) (Collector, error) {
	return find(u, Collectors(), func(c Collector) []string { return c.Schemes })
}

func find[T any](u *url.URL, list []T, schemes func(T) []string) (found T, err error) {
	var known []string
	for _, t := range list {
		if slices.Contains(schemes(t), u.Scheme) {
			return t, nil
		}
		known = append(known, schemes(t)...)
	}
	return found, fmt.Errorf("scheme %q is not known; there are %s", u.Scheme, strings.Join(known, ", "))
}
