package decap

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"recap/reader/packet"
)

// readCapture is the least that reads a pcap or pcapng file; nil for anything else.
func readCapture(file []byte) []packet.Packet {
	if len(file) < 24 {
		return nil
	}
	if binary.LittleEndian.Uint32(file) == 0x0a0d0d0a {
		return readPcapng(file)
	}
	var o binary.ByteOrder = binary.LittleEndian
	head := 16
	switch binary.BigEndian.Uint32(file) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		o = binary.BigEndian
	case 0xd4c3b2a1, 0x4d3cb2a1:
	case 0x34cdb2a1:
		head = 24
	default:
		return nil
	}
	link := packet.LinkType(o.Uint32(file[20:]))
	var ps []packet.Packet
	for b := file[24:]; len(b) >= head; {
		n := int(o.Uint32(b[8:]))
		if n > len(b)-head {
			break
		}
		ps = append(ps, packet.Packet{
			Data: b[head : head+n], Length: o.Uint32(b[12:]), Link: link, Number: int64(len(ps) + 1),
			TimeNS: int64(o.Uint32(b))*1e9 + int64(o.Uint32(b[4:]))*1e3, BigEndian: o == binary.BigEndian,
		})
		b = b[head+n:]
	}
	return ps
}

func readPcapng(b []byte) (ps []packet.Packet) {
	var o binary.ByteOrder
	var links []packet.LinkType
	for len(b) >= 12 {
		if bytes.Equal(b[:4], []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
			if links, o = nil, binary.LittleEndian; b[8] == 0x1a {
				o = binary.BigEndian
			}
		}
		typ, n := o.Uint32(b), int(o.Uint32(b[4:]))
		if n < 12 || n > len(b) {
			break
		}
		body := b[8 : n-4]
		p := packet.Packet{Number: int64(len(ps) + 1), TimeNS: packet.NoTime, BigEndian: o == binary.BigEndian}
		switch b = b[n:]; {
		case typ == 1 && len(body) >= 8:
			links = append(links, packet.LinkType(o.Uint16(body)))
		case (typ == 6 || typ == 2) && len(body) >= 20:
			iface, c := int(o.Uint32(body)), int(o.Uint32(body[12:]))
			if typ == 2 {
				iface = int(o.Uint16(body))
			}
			if iface >= len(links) || c > len(body)-20 {
				return ps
			}
			p.TimeNS = (int64(o.Uint32(body[4:]))<<32 | int64(o.Uint32(body[8:]))) * 1000
			p.Data, p.Length, p.Link = body[20:20+c], o.Uint32(body[16:]), links[iface]
			ps = append(ps, p)
		case typ == 3 && len(body) >= 4 && len(links) > 0:
			p.Length, p.Link = o.Uint32(body), links[0]
			p.Data = body[4:min(len(body), 4+int(p.Length))]
			ps = append(ps, p)
		}
	}
	return ps
}

// eachCapture calls f for every capture of the corpus.
func eachCapture(t *testing.T, f func(t *testing.T, path string, ps []packet.Packet)) {
	dir := os.Getenv("RECAP_CORPUS")
	if dir == "" {
		t.Skip("RECAP_CORPUS is not set: no directory of real captures to read")
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if ps := readCapture(file); ps != nil {
			rel, _ := filepath.Rel(dir, path)
			t.Run(rel, func(t *testing.T) { f(t, path, ps) })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCorpusIsDecodedAndAccountedFor(t *testing.T) {
	eachCapture(t, func(t *testing.T, path string, ps []packet.Packet) {
		d := NewDecoder(Options{})
		slow := NewDecoder(Options{})
		slow.slowOnly = true
		for i := range ps {
			checkDecode(t, d, slow, &ps[i])
		}
		checkSum(t, d, int64(len(ps)))
	})
}
