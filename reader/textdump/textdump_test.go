package textdump_test

import (
	"bytes"
	"testing"

	"recap/reader/format"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
	"recap/reader/textdump"
)

func read(f format.Format, file []byte) sourcetest.Result {
	return sourcetest.Read(f, bytes.NewReader(file), sourcetest.Options{})
}

func TestConformance(t *testing.T) {
	for _, w := range writers {
		s := w.build(t)
		t.Run(s.name, func(t *testing.T) { sourcetest.Test(t, s.format, s.file) })
		t.Run(s.name+" with zero padding", func(t *testing.T) {
			got := read(s.format, append(bytes.Clone(s.file), make([]byte, 5000)...))
			if len(got.Packets) != len(s.want) || got.Input.Padding != 5000 || got.Input.DamageCount != 0 {
				t.Errorf("%d packets, %d bytes of padding, damage %v", len(got.Packets), got.Input.Padding, got.Input.Damage)
			}
		})
	}
}

func TestPackets(t *testing.T) {
	for _, w := range writers {
		s := w.build(t)
		t.Run(s.name, func(t *testing.T) {
			got := read(s.format, s.file)
			sourcetest.Same(t, got, sourcetest.Result{Packets: s.want}, 1)
			if got.Input.LostBytes != 0 {
				t.Errorf("%d bytes were lost", got.Input.LostBytes)
			}
			if in := got.Input; in.Anomalies["start_zone_unknown"]+in.Anomalies["start_date_unknown"] == 0 {
				t.Errorf("anomalies %v do not say what times are", in.Anomalies)
			}
			crlf := bytes.ReplaceAll(bytes.ReplaceAll(s.file, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
			sourcetest.Same(t, read(s.format, crlf), sourcetest.Result{Packets: s.want}, 1)
		})
	}
}

// Each file is taken by its own format and no other.
func TestMatch(t *testing.T) {
	files := map[string][]byte{
		"pcap":  pcaptest.Build(t, wholeTalk),
		"zeros": make([]byte, 5000), "nothing": nil,
		"text":          bytes.Repeat([]byte("GET /a HTTP/1.1\r\n"), 400),
		"tcpdump -x":    []byte("12:00:00.000001 IP 10.0.0.1.80 > 10.0.0.2.90: Flags [.]\n\t0x0000:  4500 0034 3d5d 4000 4006 e904 0a09 0001\n"),
		"od":            []byte("000000 02 00 00 09 00 80 02 00 00 09 00 01 08 00 45 00\n000010 00 3a a2 87\n"),
		"hexdump -C":    []byte("00000000  02 00 00 09 00 80 02 00  00 09 00 01 08 00 45 00  |..............E.|\n"),
		"mention":       []byte("The router printed l2-tx (PPP:1), Length:16, and then TCPIPtrace. T O S H I B A\nETHERWATCH \nXMIT-1\n"),
		"dashes":        []byte("+---------+---------------+----------+\n| a       | b             | c        |\n"),
		"title only":    []byte("Session Transcript\nof our meeting\n"),
		"one header":    []byte("6843828.0: trust(o) len=98:00121ebbd132->00600868d659/0800\n\n\n"),
		"half a header": []byte("From 00-D0-C0-D2-4D-60 [MF1] to AA-00-04-00-FC-94 [PSERVB]\nyours truly\n"),
	}
	want := map[string]string{}
	for _, w := range writers {
		s := w.build(t)
		files[s.name], want[s.name] = s.file, s.name
	}
	for name, file := range files {
		got := ""
		for _, f := range textdump.Formats() {
			if f.Match(file[:min(len(file), format.HeadSize)]) {
				got += f.Name
			}
		}
		if got != want[name] {
			t.Errorf("%s: matched by %q, want %q", name, got, want[name])
		}
	}
}

func TestAgainstWireshark(t *testing.T) {
	t.Setenv("TZ", "UTC") // it takes times as local ones
	plain := pcaptest.Build(t, wholeTalk)
	k12 := formatOf(t, "k12text")
	file := sourcetest.Editcap(t, plain, "k12text")
	got := read(k12, file)
	s := writers[0].build(t)
	sourcetest.Same(t, got, sourcetest.Result{Packets: s.want}, 1)
	for _, w := range writers[1:] {
		s := w.build(t)
		t.Run(s.name, func(t *testing.T) {
			switch s.name {
			case "dct2000":
				sourcetest.TsharkTail(t, s.format, s.file)
			case "ascend": // which it takes to begin when the file was written
			default:
				sourcetest.Tshark(t, s.format, s.file)
			}
		})
	}
}

func FuzzTextDump(f *testing.F) {
	for i, w := range writers {
		f.Add(w.build(f).file, uint8(i), uint16(100))
	}
	for i, text := range []string{k12Midnight, dctSession, netscreenADSL, cosineSession, toshibaSession, ascendTraces, ucxTrace, etherwatchSNAP} {
		f.Add([]byte(text), uint8(i), uint16(1))
	}
	f.Fuzz(func(t *testing.T, file []byte, style uint8, slab uint16) {
		all := textdump.Formats()
		fm := all[int(style)%len(all)]
		sourcetest.Fuzz(t, fm, file, slab)
		sourcetest.Prefixes(t, fm, file)
		if in := read(fm, file).Input; 2*in.CapturedLen > in.Bytes+14*in.Packets {
			t.Fatalf("%d bytes of packets out of %d", in.CapturedLen, in.Bytes)
		}
	})
}
