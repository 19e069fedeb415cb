package main

import (
	"fmt"
	"strings"
	"testing"

	"recap/pipeline"
	"recap/reader/packet"
)

// infoInputs returns n inputs with a packet each.
func infoInputs(n int) []*packet.Input {
	var list []*packet.Input
	for i := range n {
		list = append(list, &packet.Input{Name: fmt.Sprintf("host%02d.pcap", i), Format: "pcap", Size: 100, Packets: 1, FirstNS: packet.NoTime, LastNS: packet.NoTime,
			Interfaces: []packet.Interface{{Link: packet.LinkEthernet, Packets: 1, Drops: -1}}})
	}
	return list
}

func TestInfoOfManyInputs(t *testing.T) {
	few := infoText(infoInputs(shownInputs), &pipeline.Stats{})
	if n := strings.Count(few, "\ninterface  "); n != shownInputs {
		t.Errorf("%d rows about interfaces of %d inputs, want one for each", n, shownInputs)
	}
	list := infoInputs(60)
	list[7].CountAnomaly("snaplen_lie", 3)
	list[8].Interfaces[0].Link = packet.LinkRaw
	many := infoText(list, &pipeline.Stats{})
	for _, want := range []string{
		"file         host07.pcap: pcap, 100 B, 1 packet\noddities     3 snaplen_lie\nfile         host08.pcap: pcap, 100 B, 1 packet\nfile",
		"\ninterfaces   60: 59 ETHERNET(1), 1 RAW(101)\n",
		"\nall inputs   60 files (pcap)",
	} {
		if !strings.Contains(many, want) {
			t.Errorf("the text lacks %q:\n%s", want, many)
		}
	}
}

func TestInfoOfManyInterfaces(t *testing.T) {
	in := infoInputs(1)[0]
	in.Packets = 12
	in.Interfaces = make([]packet.Interface, 1000)
	for i := range in.Interfaces {
		in.Interfaces[i] = packet.Interface{Name: fmt.Sprintf("tap%d", i), Link: packet.LinkEthernet, Drops: -1}
	}
	in.Interfaces[400].Packets, in.Interfaces[999].Packets = 7, 5
	text := infoText([]*packet.Input{in}, &pipeline.Stats{})
	want := "interface    400 tap400, ETHERNET(1), 7 packets\ninterface    999 tap999, ETHERNET(1), 5 packets\ninterface    984 more with 0 packets\n"
	if !strings.Contains(text, want) {
		t.Errorf("the text lacks %q:\n%s", want, text)
	}
}

func TestLinkNames(t *testing.T) {
	for link, want := range map[packet.LinkType]string{1: "ETHERNET(1)", 14: "RAW(14)", 127: "IEEE802_11_RADIOTAP(127)", 189: "USB_LINUX(189)", 60000: "UNKNOWN(60000)"} {
		if got := linkName(link); got != want {
			t.Errorf("linkName(%d) = %s, want %s", link, got, want)
		}
	}
	if got, want := whyUnused("undecodable:link_type_189"), "link type USB_LINUX(189) is not read"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
