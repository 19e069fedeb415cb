package main

import (
	"cmp"
	"slices"
	"strings"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// This file decides what of a capture's health is worth telling; the words for it
// stand in report.go. Rules are about shares, so that one lost packet of a long
// capture is told, but not taken for sampling.

// A finding is something about the capture, not about what was said in it.
type finding struct {
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Count   int64    `json:"count"`
	Bytes   int64    `json:"bytes"`
	Packets []int64  `json:"packets"` // the first that show it
	Cause   string   `json:"likely_cause"`
	Advice  string   `json:"advice"`
	Lengths []length `json:"lengths,omitempty"`
	Ports   []port   `json:"ports,omitempty"`
}

// A length is a captured length and how many packets have it.
type length struct {
	Length  int64 `json:"length"`
	Packets int64 `json:"packets"`
}

// A port is what a server port took of the capture.
type port struct {
	Port        uint16   `json:"port"`
	Transport   string   `json:"transport"`
	Protocols   []string `json:"protocols"`
	Connections int64    `json:"connections"`
	Packets     int64    `json:"packets"`
	Wire        int64    `json:"wire_bytes"`
	First       int64    `json:"first_packet"`
}

// Thresholds of the rules.
const (
	samplingShare   = 0.2  // of the stream bytes missing, in
	samplingConns   = 0.5  // of the connections: a mirror that samples
	filterShare     = 0.05 // of all bytes on ports without pairs: worth a filter
	filterPortShare = 0.01 // of all bytes: worth naming the port
	shownPorts      = 8
)

// findings applies every rule, in the order in which they hurt.
func findings(inputs []*packet.Input, s *pipeline.Stats) []finding {
	h := &s.Health
	drops := captureDrops(inputs)
	var list []finding
	tell := func(f finding, seen pipeline.Sighting) {
		f.Count, f.Bytes, f.Packets = seen.Count, seen.Bytes, append([]int64{}, seen.Packets...)
		list = append(list, f)
	}
	if drops > 0 {
		tell(dropsFinding(drops), pipeline.Sighting{Count: drops, Packets: h.Dropped.Packets})
	}
	if h.Lost.Count > 0 {
		share := ratio(h.Lost.Bytes, h.Lost.Bytes+s.Ledger.PayloadBytes)
		sampled := share > samplingShare && ratio(h.LostConns, s.Flows) > samplingConns
		tell(lostFinding(h, s, sampled, drops > 0), h.Lost)
	}
	if h.OneWay.Count > 0 {
		tell(oneWayFinding(h, s), h.OneWay)
	}
	if h.Snapped.Count > 0 {
		f := snapFinding(h)
		f.Lengths = lengthsOf(h.SnapLengths)
		tell(f, h.Snapped)
	}
	if h.MirrorCut.Count > 0 {
		f := mirrorFinding(h)
		f.Lengths = lengthsOf(h.MirrorLengths)
		tell(f, h.MirrorCut)
	}
	if h.OuterFragments.Count > 0 {
		tell(fragmentFinding(h), h.OuterFragments)
	}
	if h.Incomplete.Count > 0 {
		tell(incompleteFinding(h), h.Incomplete)
	}
	if h.Copies.Count > 0 {
		tell(copiesFinding(h, s), h.Copies)
	}
	if h.Forward.Count+h.Backward.Count > 0 {
		first := slices.Concat(h.Forward.Packets, h.Backward.Packets)
		slices.Sort(first)
		tell(clockFinding(h), pipeline.Sighting{Count: h.Forward.Count + h.Backward.Count, Packets: first[:min(len(first), shownPackets)]})
	}
	if n := s.Ledger.Payload[exchange.BytesTLS] + s.Ledger.Payload[exchange.BytesQUIC]; n > 0 {
		tell(encryptedFinding(n, s), pipeline.Sighting{Count: h.Encrypted.Count, Bytes: n, Packets: h.Encrypted.Packets})
	}
	if ports, saved := filterable(h); len(ports) > 0 {
		f := filterFinding(ports, saved, wireBytes(h))
		f.Ports = ports
		seen := pipeline.Sighting{Bytes: saved}
		for _, p := range ports {
			seen.Count += p.Packets
			seen.Packets = append(seen.Packets, p.First)
		}
		slices.Sort(seen.Packets)
		seen.Packets = seen.Packets[:min(len(seen.Packets), shownPackets)]
		tell(f, seen)
	}
	return list
}

func captureDrops(inputs []*packet.Input) (drops int64) {
	for _, in := range inputs {
		for _, i := range in.Interfaces {
			drops += max(i.Drops, 0)
		}
	}
	return drops
}

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func lengthsOf(list []pipeline.LengthCount) []length {
	var out []length
	for _, l := range list {
		out = append(out, length(l))
	}
	return out
}

// wireBytes is what all packets took on the wire, as far as they were sorted.
func wireBytes(h *pipeline.Health) (sum int64) {
	for _, p := range h.Protocols {
		sum += p.Wire
	}
	return sum
}

// filterable returns the ports that gave no pair and are worth a filter, and what
// leaving them out would have saved.
func filterable(h *pipeline.Health) (list []port, saved int64) {
	all := wireBytes(h)
	take := func(ports []pipeline.PortCount, transport string) {
		for _, p := range ports {
			if p.Pairs > 0 || slices.ContainsFunc(p.Protocols, speaksHTTP) || ratio(p.Wire, all) < filterPortShare {
				continue
			}
			list = append(list, port{p.Port, transport, p.Protocols, p.Connections, p.Packets, p.Wire, p.First})
			saved += p.Wire
		}
	}
	take(h.Ports, "tcp")
	take(h.UDPPorts, "udp")
	if ratio(saved, all) < filterShare {
		return nil, 0
	}
	slices.SortStableFunc(list, func(a, b port) int { return cmp.Compare(b.Wire, a.Wire) })
	return list, saved
}

// speaksHTTP reports whether a protocol may give pairs another time; nothing said at
// all tells nothing.
func speaksHTTP(protocol string) bool {
	return strings.HasPrefix(protocol, "http/") || protocol == "none"
}

// unused is what could not be used of a capture, and why.
type unused struct {
	Name    string `json:"name"` // in the ledger
	Packets int64  `json:"packets,omitempty"`
	Bytes   int64  `json:"payload_bytes,omitempty"`
	Why     string `json:"why"`
}

// notUsed lists the entries of the ledger that stand for something lost.
func notUsed(l *exchange.Ledger) []unused {
	list := []unused{}
	for _, name := range ranked(l.Packets) {
		if isUnused(name) && l.Packets[name] > 0 {
			list = append(list, unused{Name: name, Packets: l.Packets[name], Why: whyUnused(name)})
		}
	}
	for _, name := range ranked(l.Payload) {
		if isUnused(name) && l.Payload[name] > 0 {
			list = append(list, unused{Name: name, Bytes: l.Payload[name], Why: whyUnused(name)})
		}
	}
	return list
}

// isUnused reports whether a name of the ledger stands for something lost.
func isUnused(name string) bool {
	return strings.HasPrefix(name, exchange.PacketUndecodable) || strings.HasPrefix(name, exchange.BytesDiscarded) ||
		name == exchange.BytesUnparsed || name == exchange.BytesConflict
}

// infoProtocol, infoHost: as info --json writes them.
type infoProtocol struct {
	Name        string `json:"name"`
	Connections int64  `json:"connections"`
	Packets     int64  `json:"packets"`
	Wire        int64  `json:"wire_bytes"`
	Payload     int64  `json:"tcp_payload_bytes"`
}

type infoHost struct {
	Addr    string `json:"ip"`
	Packets int64  `json:"packets"`
	Wire    int64  `json:"wire_bytes"`
	Over    int64  `json:"wire_bytes_over,omitempty"` // at most so much of it is another host's
}

type infoHosts struct {
	Count int64      `json:"count"`
	Exact bool       `json:"exact"`
	Top   []infoHost `json:"top"`
}

// healthReport is the part of info --json, and of the manifest, about the capture itself.
type healthReport struct {
	Findings  []finding      `json:"findings"`
	Protocols []infoProtocol `json:"protocols"`
	Hosts     infoHosts      `json:"hosts"`
	Unused    []unused       `json:"unused"`
}

func healthOf(inputs []*packet.Input, s *pipeline.Stats) *healthReport {
	h := &s.Health
	r := &healthReport{Findings: append([]finding{}, findings(inputs, s)...), Protocols: []infoProtocol{},
		Hosts: infoHosts{Count: h.Hosts, Exact: h.HostsExact, Top: []infoHost{}}, Unused: notUsed(&s.Ledger)}
	for _, p := range h.Protocols {
		r.Protocols = append(r.Protocols, infoProtocol(p))
	}
	for _, t := range h.Talkers {
		r.Hosts.Top = append(r.Hosts.Top, infoHost{t.Addr.String(), t.Packets, t.Wire, t.Over})
	}
	return r
}
