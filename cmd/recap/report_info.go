package main

import (
	"cmp"
	"fmt"
	"slices"

	"recap/pipeline"
	"recap/reader/packet"
)

// infoText is what info writes for people.
func infoText(inputs []*packet.Input, stats *pipeline.Stats) string {
	var t sheet
	if len(inputs) > shownInputs {
		for _, in := range inputs {
			inputRow(&t, in)
		}
		t.row("interfaces", linkParts(inputs)...)
		t.b.WriteByte('\n')
	} else {
		for _, in := range inputs {
			inputRows(&t, in)
			t.b.WriteByte('\n')
		}
	}
	if len(inputs) > 1 {
		t.row("all inputs", readParts(inputs, stats)...)
		t.row("time", timeParts(inputs)...)
	}
	t.row("connections", totalParts(stats.Flows, stats.Protocols, 0)...)
	t.row("pairs", totalParts(stats.Pairs, stats.States, 0)...)
	tunnelRows(&t, stats.Tunnels)
	ledgerRows(&t, &stats.Ledger)
	t.row("anomalies", counted(stats.Anomalies, 0)...)
	t.row("incomplete", counted(stats.Reasons, 0)...)
	healthRows(&t, inputs, stats)
	return t.b.String()
}

// inputRow tells of one of many inputs: in one row, unless it has something odd.
func inputRow(t *sheet, in *packet.Input) {
	parts := []string{in.Name + ":", formatText(in) + ",", bytesText(in.Size) + ",", many(in.Packets, "packet", "packets")}
	if when := timeParts([]*packet.Input{in}); len(when) > 0 {
		parts[len(parts)-1] += ","
		parts = append(parts, when...)
	}
	t.row("file", parts...)
	oddRows(t, in)
}

// linkParts counts the interfaces of all inputs by link type.
func linkParts(inputs []*packet.Input) []string {
	var all int64
	links := map[string]int64{}
	for _, in := range inputs {
		for i := range in.Interfaces {
			links[linkName(in.Interfaces[i].Link)]++
			all++
		}
	}
	return totalParts(all, links, 0)
}

func inputRows(t *sheet, in *packet.Input) {
	t.row("file", in.Name)
	format := formatText(in)
	if in.Sections > 1 {
		format += ", " + many(in.Sections, "section", "sections")
	}
	t.row("format", format)
	t.row("size", bytesText(in.Size)+",", many(in.Packets, "packet", "packets")+",", bytesText(in.CapturedLen)+" captured")
	t.row("time", timeParts([]*packet.Input{in})...)
	interfaceRows(t, in)
	t.row("written by", writerParts(in)...)
	for i, c := range in.Comments {
		if i == shownComments {
			t.row("comment", many(len(in.Comments)-i, "more", "more"))
			break
		}
		t.row("comment", c)
	}
	if n := len(in.Names); n > 0 {
		t.row("names", many(n, "name that the capture itself gives for an address", "names that the capture itself gives for addresses"))
	}
	if n := len(in.Secrets); n > 0 {
		t.row("key logs", count(n)+" (never copied to an output)")
	}
	oddRows(t, in)
}

// oddRows tells what was not as it should be in an input.
func oddRows(t *sheet, in *packet.Input) {
	t.row("skipped", counted(in.Unknown, 8)...)
	t.row("oddities", counted(in.Anomalies, 0)...)
	t.row("lost", lostParts([]*packet.Input{in})...)
}

// interfaceRows tells of the interfaces; where there are too many, of those with most packets.
func interfaceRows(t *sheet, in *packet.Input) {
	list := make([]int, len(in.Interfaces))
	for i := range list {
		list[i] = i
	}
	if len(list) > shownInterfaces+1 {
		slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(in.Interfaces[b].Packets, in.Interfaces[a].Packets) })
		list = list[:shownInterfaces]
		slices.Sort(list)
	}
	var packets int64
	for _, i := range list {
		packets += in.Interfaces[i].Packets
		t.row("interface", interfaceParts(i, &in.Interfaces[i])...)
	}
	if more := len(in.Interfaces) - len(list); more > 0 {
		t.row("interface", many(more, "more", "more"), "with", many(in.Packets-packets, "packet", "packets"))
	}
}

func interfaceParts(i int, f *packet.Interface) []string {
	parts := []string{fmt.Sprintf("%d", i)}
	if f.Name != "" {
		parts[0] += " " + f.Name
	}
	if f.Description != "" {
		parts = append(parts, f.Description)
	}
	parts = append(parts, linkName(f.Link))
	if f.SnapLen > 0 {
		parts = append(parts, "snap length "+count(int64(f.SnapLen)))
	}
	if f.Filter != "" {
		parts = append(parts, "filter "+f.Filter)
	}
	parts = append(parts, many(f.Packets, "packet", "packets"))
	if f.Drops >= 0 {
		parts = append(parts, many(f.Drops, "drop", "drops"))
	}
	return separated(",", parts)
}

func writerParts(in *packet.Input) []string {
	var parts []string
	for _, s := range []string{in.Application, in.OS, in.Hardware} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return separated(",", parts)
}
