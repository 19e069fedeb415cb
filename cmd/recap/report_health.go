package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// The health of a capture: what was found, why it is likely so, what to do.

func dropsFinding(drops int64) finding {
	return finding{Name: "drops",
		What:   "the capturing machine counted " + many(drops, "packet", "packets") + " that it dropped",
		Cause:  "it could not keep up",
		Advice: "a larger capture buffer (tcpdump -B, dumpcap -B), a faster disk, or a filter"}
}

func lostFinding(h *pipeline.Health, s *pipeline.Stats, sampled, dropped bool) finding {
	f := finding{Name: "lost",
		What: many(h.Lost.Count, "hole", "holes") + " in TCP streams (" + bytesText(h.Lost.Bytes) + " that the hosts had and the capture has not), in " +
			count(h.LostConns) + " of " + many(s.Flows, "connection", "connections"),
		Cause:  "packets were lost between the hosts and the recorder: a full mirror port, a small capture buffer, a slow disk",
		Advice: "compare the drop counters of mirror and recorder; a larger capture buffer or a filter often helps"}
	switch {
	case sampled:
		f.Cause = "the mirror, or the recorder, keeps only a sample of the packets: most connections lack much"
		f.Advice = "switch sampling off, or mirror fewer hosts in full: HTTP cannot be read out of samples"
	case dropped:
		f.Cause = "the capturing machine dropped packets; its own count says so"
	}
	return f
}

func oneWayFinding(h *pipeline.Health, s *pipeline.Stats) finding {
	return finding{Name: "one_way",
		What:   "one direction only: " + count(h.OneWay.Count) + " of " + many(s.Flows, "connection", "connections") + " (" + bytesText(h.OneWay.Bytes) + " of payload)",
		Cause:  "the mirror takes one direction, or the other one has another path",
		Advice: "mirror both directions, or give the capture of the other path as a further INPUT: recap puts them together"}
}

func snapFinding(h *pipeline.Health) finding {
	return finding{Name: "snaplen",
		What:   many(h.Snapped.Count, "packet", "packets") + " cut by the snap length" + lengthText(h.SnapLengths) + "; " + bytesText(h.Snapped.Bytes) + " are missing",
		Cause:  "the recorder was told to keep the beginning of each packet",
		Advice: "record whole packets: tcpdump -s 0"}
}

func mirrorFinding(h *pipeline.Health) finding {
	return finding{Name: "mirror_truncated",
		What:   many(h.MirrorCut.Count, "packet", "packets") + " cut before the capture" + lengthText(h.MirrorLengths) + "; " + bytesText(h.MirrorCut.Bytes) + " of payload are missing",
		Cause:  "the mirror cuts packets to a length of its own, or to what fits beside its tunnel header",
		Advice: "take the packet length off the mirror session, and let the way to the recorder carry mirrored packets in full"}
}

func fragmentFinding(h *pipeline.Health) finding {
	return finding{Name: "outer_fragments",
		What:   many(h.OuterFragments.Count, "mirrored packet", "mirrored packets") + " in fragments",
		Cause:  "with the tunnel's header they do not fit the MTU between mirror and recorder; a lost fragment loses all of the packet",
		Advice: "raise that MTU by the size of the headers (VXLAN: 50 bytes over IPv4, 70 over IPv6)"}
}

func incompleteFinding(h *pipeline.Health) finding {
	return finding{Name: "incomplete_fragments",
		What:   many(h.Incomplete.Count, "IP packet", "IP packets") + " in fragments of which the capture lacks some: what was in them is lost",
		Cause:  "fragments were lost, or a filter by port left out all but the first ones, which alone have the ports",
		Advice: "let filters take fragments too: or (ip[6:2] & 0x1fff != 0); better avoid fragments with a larger MTU on the mirror's path"}
}

func copiesFinding(h *pipeline.Health, s *pipeline.Stats) finding {
	return finding{Name: "copies",
		What: many(h.Copies.Count, "packet that was seen before", "packets that were seen before") + " (" + shareText(h.Copies.Count, s.Ledger.PacketsRead) + "), " +
			bytesText(h.Copies.Bytes) + " of payload",
		Cause:  "several taps on one path, or a mirror that takes packets both in and out",
		Advice: "nothing is counted twice; mirroring each packet once saves their bytes"}
}

func clockFinding(h *pipeline.Health) finding {
	var parts []string
	if n := h.Forward.Count; n > 0 {
		parts = append(parts, many(n, "step", "steps")+" ahead by more than an hour (at most "+durationText(time.Duration(h.Forward.Largest))+")")
	}
	if n := h.Backward.Count; n > 0 {
		parts = append(parts, many(n, "step", "steps")+" back by more than a second (at most "+durationText(time.Duration(h.Backward.Largest))+")")
	}
	return finding{Name: "clock",
		What:   "capture times jump: " + strings.Join(parts, ", "),
		Cause:  "the recorder's clock was set, a pause in the capture, or files that were joined",
		Advice: "believe latencies across the jumps only after a look; give joined files as INPUTs of their own"}
}

func encryptedFinding(n int64, s *pipeline.Stats) finding {
	return finding{Name: "encrypted",
		What:   bytesText(n) + " of payload (" + shareText(n, s.Ledger.PayloadBytes) + ") are TLS or QUIC that was not decrypted",
		Cause:  "there are no keys for it",
		Advice: "give the session keys with --keylog (SSLKEYLOGFILE writes them), or capture behind what ends TLS"}
}

func filterFinding(ports []port, saved, all int64) finding {
	var parts, terms []string
	for i, p := range ports {
		if i == shownPorts && len(ports) > i+1 {
			parts = append(parts, many(len(ports)-i, "more port", "more ports"))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d (%s) %s", p.Transport, p.Port, strings.Join(p.Protocols, ", "), bytesText(p.Wire)))
		terms = append(terms, fmt.Sprintf("%s port %d", p.Transport, p.Port))
	}
	return finding{Name: "filterable",
		What:   bytesText(saved) + " (" + shareText(saved, all) + " of the bytes on the wire) to ports that gave no pair: " + strings.Join(parts, ", "),
		Cause:  "the mirror takes all ports",
		Advice: "a filter saves them: not (" + strings.Join(terms, " or ") + ")"}
}

// lengthText names the length that most of the cut packets have.
func lengthText(list []pipeline.LengthCount) string {
	if len(list) == 0 {
		return ""
	}
	var all int64
	for _, l := range list {
		all += l.Packets
	}
	text := ", most of them to "
	if list[0].Packets == all {
		text = ", to "
	} else if 2*list[0].Packets < all {
		return ", to various lengths"
	}
	return text + many(list[0].Length, "byte", "bytes")
}

// shareText writes a share in percent.
func shareText(part, whole int64) string {
	switch p := 100 * ratio(part, whole); {
	case p > 0 && p < 0.1:
		return "less than 0.1 %"
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// healthRows tells how well the capture was taken.
func healthRows(t *sheet, inputs []*packet.Input, s *pipeline.Stats) {
	h := &s.Health
	t.row("protocols", protocolParts(h)...)
	t.row("hosts", hostParts(h)...)
	for _, u := range notUsed(&s.Ledger) {
		amount := many(u.Packets, "packet", "packets")
		if u.Bytes > 0 {
			amount = many(u.Bytes, "payload byte", "payload bytes")
		}
		t.row("not used", strings.Fields(amount+" "+u.Name+": "+u.Why)...)
	}
	for _, f := range findings(inputs, s) {
		text := f.What
		if len(f.Packets) > 0 {
			text += "; " + packetsText(f.Packets, f.Count)
		}
		t.row("health", strings.Fields(text)...)
		t.row("  cause", strings.Fields("likely: "+f.Cause)...)
		t.row("  advice", strings.Fields(f.Advice)...)
	}
}

// packetsText names packets that show something that was seen n times.
func packetsText(numbers []int64, n int64) string {
	var list []string
	for _, p := range numbers {
		list = append(list, count(p))
	}
	if int64(len(list)) < n {
		return "first at packets " + strings.Join(list, ", ")
	}
	if len(list) == 1 {
		return "at packet " + list[0]
	}
	return "at packets " + andList(list)
}

func protocolParts(h *pipeline.Health) []string {
	all := wireBytes(h)
	var parts []string
	for i, p := range h.Protocols {
		if i == shownProtocols && len(h.Protocols) > i+1 {
			parts = append(parts, many(len(h.Protocols)-i, "more", "more"))
			break
		}
		parts = append(parts, p.Name+" "+bytesText(p.Wire)+" ("+shareText(p.Wire, all)+")")
	}
	return separated(",", parts)
}

func hostParts(h *pipeline.Health) []string {
	if len(h.Talkers) == 0 {
		return nil
	}
	first := many(h.Hosts, "host", "hosts")
	if !h.HostsExact {
		first = "more than " + first
	}
	parts := []string{first + "; most bytes:"}
	for i, t := range h.Talkers {
		if i == shownHosts {
			break
		}
		text := t.Addr.String() + " " + bytesText(t.Wire)
		if t.Over > 0 {
			text += " (or up to " + bytesText(t.Over) + " less)"
		}
		if i < min(len(h.Talkers), shownHosts)-1 {
			text += ","
		}
		parts = append(parts, text)
	}
	return parts
}

// whyUnused explains a name of the ledger that stands for something lost.
func whyUnused(name string) string {
	reason, undecodable := strings.CutPrefix(name, exchange.PacketUndecodable)
	if !undecodable {
		reason = strings.TrimPrefix(name, exchange.BytesDiscarded)
	}
	if why := unusedWords[reason]; why != "" {
		return why
	}
	if link, ok := strings.CutPrefix(reason, "link_type_"); ok {
		if n, err := strconv.ParseUint(link, 10, 16); err == nil {
			link = linkName(packet.LinkType(n))
		}
		return "link type " + link + " is not read"
	}
	if header, ok := strings.CutSuffix(reason, "_header"); ok {
		return "a " + header + " header is malformed or cut"
	}
	return "left out at a limit or because it could not be read"
}

var unusedWords = map[string]string{
	"ipv4_length":        "an IPv4 header says a total length shorter than itself",
	"tcp_header":         "a TCP header says a length that it cannot have",
	"tcp_header_cut":     "the capture ends inside the TCP header; a larger snap length helps",
	"depth":              "more encapsulations than --depth opens",
	"tunnel_table":       "more different tunnels than are told apart",
	"vlan_table":         "more different VLAN stacks than are told apart",
	"fragment_oversize":  "a fragment that reaches beyond the largest datagram",
	"fragment_malformed": "a fragment that can be part of no datagram",
	"fragment_conflict":  "a fragment that contradicts the others about the datagram's length",
	"ip_version":         "raw IP that is neither version 4 nor 6",
	"before_start":       "older than the first byte of a connection that the capture joined in the middle",
	"out_of_window":      "far from what the connection was at: a forgery, or a long hole in the capture",
	"after_close":        "behind the end of a stream that its sender had announced",
	"late":               "came after its hole had been given up; --mem and the capture's order decide when",
	"unparsed":           "beginnings and tails of messages that could not be read",
	"conflicts":          "copies of bytes that another copy says otherwise; --overlap-policy chooses",
}
