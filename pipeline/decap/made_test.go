package decap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"recap/reader/packet"
	"recap/reader/sourcetest"
)

// notOfTshark are packets that tshark 4.0 does not read as meant: why, and their names.
var notOfTshark = map[string][]string{
	"tshark does not know it":      {"LISP with a frame", "GUE with IPv4", "GUE with options and IPv6", "GUE with GRE", "GUE with a segment of the hosts themselves", "GUE of variant 1", "GUE of variant 1 with IPv6", "BIER with IPv4", "BIER with a label", "BIER behind a label, with a frame", "ERSPAN type III with an IP packet", "three tags of old numbers", "SITA with a frame", "SITA with PPP", "SITA with token ring", "SITA with frame relay", "EPON", "IPNET", "USB of FreeBSD with NCM", "a Broadcom tag", "a Broadcom tag in front", "a Marvell tag", "a long Marvell tag", "Cisco HDLC with a direction", "frame relay with a direction", "PPP with the direction in place of the address", "SLIP", "SLIP as BSD has it", "a jumbogram", "VXLAN-GPE without a protocol", "STT over IPv6", "PPP with a bridged frame of a numbered network", "Cisco's metadata with two options"},
	"its port is another's":        {"VXLAN at Linux's old port", "AYIYA"},
	"tshark needs to be told":      {"CAPWAP with 802.11", "LWAPP with the frame control swapped", "LWAPP in Ethernet", "ATM without LLC", "ATM with PPP", "ATM with a bridged frame of its own circuit", "ATM with a frame of an emulated LAN", "a record of Endace's cards with an ATM frame", "L2TPv3 over IP", "L2TPv3 over IP with cookie and sublayer", "L2TPv3 over UDP with a cookie and IP", "L2TPv3 with PPP", "L2TPv3 with HDLC", "L2TPv3 with a VLAN", "ESP without encryption, tunnel mode", "ESP without encryption, IPv6 inside, longer check value", "ESP without encryption, transport mode", "ESP without encryption over UDP", "ESP with VXLAN in transport mode"},
	"tshark needs what came first": {"BNEP", "BNEP with addresses and an extension", "BNEP in Linux' monitor", "RNDIS", "ECM", "EEM", "USBPcap"},
	"tshark goes by the first half byte, which is that of a control word or of IP": {"a pseudowire over UDP, with control word", "a pseudowire over UDP, without control word", "pseudowire with control word", "pseudowire without control word", "pseudowire without control word, address like IPv4", "pseudowire with control word, then a VLAN", "GTP-U with a frame to an address like IPv6", "MPLS in GRE"},
	"tshark takes the end for a check sequence":                                    {"FabricPath"},
	"the header is not as any sender has it":                                       {"LOOP, IPv6 of Linux", "Juniper link without a link header", "mPacket, express", "PKTAP", "Prism", "NFLOG, big endian", "netANALYZER", "netANALYZER, transparent"},
}

// TestEncapsulationsLikeTshark compares the innermost TCP segment of the packets of
// encapsulations, which no capture at hand has, with tshark's.
func TestEncapsulationsLikeTshark(t *testing.T) {
	sourcetest.Tool(t, "tshark")
	all := encapsulations()
	path := filepath.Join(t.TempDir(), "made.pcapng")
	if err := os.WriteFile(path, pcapngOf(all), 0o600); err != nil {
		t.Fatal(err)
	}
	want := tsharkLines(t, path, "-o", "ip.try_heuristic_first:TRUE", "-o", "lwapp.swap_fc:FALSE")
	expected := make(map[string]string)
	for why, names := range notOfTshark {
		for _, name := range names {
			expected[name] = why
		}
	}
	d := NewDecoder(Options{})
	for i, e := range all {
		var s Segment
		got := ""
		if d.Decode(pkt(e.link, e.frame), &s) == DispTCP {
			got = segmentLine(&s)
		}
		why, differs := expected[e.name]
		if delete(expected, e.name); (got != want[int64(i+1)]) != differs {
			t.Errorf("%s: got %s\nwant %s; expected to differ: %t %s", e.name, got, want[int64(i+1)], differs, why)
		}
	}
	if len(expected) > 0 {
		t.Errorf("expected to differ, but there are none such: %v", expected)
	}
}

// pcapngOf is a capture of the packets, with an interface for each link type.
func pcapngOf(all []encapsulated) []byte {
	var b bytes.Buffer
	block := func(kind uint32, body []byte) {
		body = append(body, make([]byte, -len(body)&3)...)
		n := uint32(12 + len(body))
		for _, v := range []any{kind, n, body, n} {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	block(0x0a0d0d0a, join(leb32(0x1a2b3c4d), leb16(1), leb16(0), leb32(-1), leb32(-1)))
	var links []packet.LinkType
	for _, e := range all {
		if !slices.Contains(links, e.link) {
			links = append(links, e.link)
			block(1, join(leb16(int(e.link)), leb16(0), leb32(0)))
		}
	}
	for i, e := range all {
		block(6, join(leb32(slices.Index(links, e.link)), leb32(0), leb32(i), leb32(len(e.frame)), leb32(len(e.frame)), e.frame))
	}
	return b.Bytes()
}

// Whatever a byte of a packet becomes, it is decoded, the same way on both paths.
func TestChangedEncapsulations(t *testing.T) {
	for _, e := range encapsulations() {
		d, slow := NewDecoder(Options{FragmentBytes: 1 << 20}), NewDecoder(Options{FragmentBytes: 1 << 20})
		slow.slowOnly = true
		b := exact(e.frame)
		for i, old := range b {
			for _, v := range []byte{0, 0xff, old + 1, old ^ 0x10, old ^ 0x80, 3, 0x43} {
				b[i] = v
				checkDecode(t, d, slow, pkt(e.link, b))
				checkDecode(t, d, slow, pkt(e.link, b[:len(b)-i/2]))
			}
			b[i] = old
		}
	}
}

// Noise behind the beginning of a packet is decoded, the same way on both paths.
func TestNoiseBehindHeaders(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range encapsulations() {
		d, slow := NewDecoder(Options{FragmentBytes: 1 << 20}), NewDecoder(Options{FragmentBytes: 1 << 20})
		slow.slowOnly = true
		for n := range 200 {
			b := exact(e.frame[:min(n/4, len(e.frame))])
			for range random.IntN(200) {
				b = append(b, byte(random.Uint32()))
			}
			checkDecode(t, d, slow, pkt(e.link, slices.Clip(b)))
		}
	}
}
