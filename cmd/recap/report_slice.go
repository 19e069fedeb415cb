package main

import (
	"fmt"
	"io"
	"strings"

	"recap/reader/packet"
)

// sliced tells what slice wrote.
func (u *ui) sliced(out string, s *slicing, packets int64) {
	if out == "-" {
		out = "standard output"
	}
	var t sheet
	t.row("wrote", out+":", many(packets, "packet", "packets"), "of", many(s.pairs, "pair", "pairs"), "in",
		many(len(s.plan.flows), "connection", "connections"))
	if flags := sliceFlags(s); flags != "" {
		t.row("next", "read it with the options of the first extract:", flags)
	}
	io.WriteString(u.err, t.b.String())
}

// sliceFlags lists the options that the slice must be read with again.
func sliceFlags(s *slicing) string {
	var flags []string
	if text, _ := s.manifest.Options["tunnel-port"].(string); text != "" {
		for word := range strings.FieldsSeq(text) {
			flags = append(flags, "--tunnel-port "+word)
		}
	}
	for _, name := range []string{"merge-tunnels", "split-tunnels"} {
		if on, _ := s.manifest.Options[name].(bool); on {
			flags = append(flags, "--"+name)
		}
	}
	if s.keys && len(s.secrets) == 0 {
		flags = append(flags, "--keylog (keys are not copied)")
	}
	return strings.Join(flags, " ")
}

// sliceAbout is the comment of a slice as a whole.
func sliceAbout(dir string, s *slicing) string {
	return fmt.Sprintf("recap slice of %s: the packets of %s; packets are as captured", printable(dir), many(s.pairs, "pair", "pairs"))
}

// sliceComment says what a packet was taken for: pairs, or the connection around them.
func sliceComment(flow string, pairs []string, more int) string {
	switch {
	case len(pairs) == 0:
		return "connection " + flow
	case len(pairs) == 1:
		return "pair " + pairs[0]
	case more > 0:
		return "pairs " + strings.Join(pairs, ", ") + " and " + count(more) + " more"
	}
	return "pairs " + andList(pairs)
}

// slicePlace says where a packet comes from.
func slicePlace(file string, q *packet.Packet) string {
	text := fmt.Sprintf("%s packet %d", printable(file), q.FileNum)
	if q.Number != q.FileNum {
		text += fmt.Sprintf(" (%d of the capture)", q.Number)
	}
	if q.TimeNS == packet.NoTime {
		text += ", time unknown"
	}
	return text
}

// sliceOrigin describes an interface by its input and what that says of it.
func sliceOrigin(file, description string) string {
	if description == "" {
		return printable(file)
	}
	return printable(description) + " (" + printable(file) + ")"
}
