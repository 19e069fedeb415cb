package tls

import (
	"encoding/binary"
	"testing"
)

func u16s(list ...uint16) (b []byte) {
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func vec16(b []byte) []byte { return append(u16s(uint16(len(b))), b...) }

// TestJA4 uses the example of FoxIO's technical description of JA4: a ClientHello of
// Chrome, and the fingerprint published for it.
func TestJA4(t *testing.T) {
	exts := func(alpn string) (list []extension) {
		for _, typ := range []uint16{0x2a2a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015} {
			e := extension{typ: typ}
			switch typ {
			case extALPN:
				e.body = vec16(append([]byte{byte(len(alpn))}, alpn...))
			case extSignatures:
				e.body = vec16(u16s(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601))
			case extSupportedVersions:
				e.body = append([]byte{6}, u16s(0x7a7a, 0x0304, 0x0303)...)
			}
			list = append(list, e)
		}
		return list
	}
	suites := u16s(0xdada, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035)
	for _, tt := range []struct {
		name string
		h    clientHello
		want string
	}{
		{"the published example", clientHello{version: versionTLS12, suites: suites, extensions: exts("h2")}, "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"a protocol of one letter", clientHello{version: versionTLS12, suites: suites, extensions: exts("x")}, "t13d1516xx_8daaf6152771_e5627efa2ab1"},
		{"a protocol that is not printable", clientHello{version: versionTLS12, suites: suites, extensions: exts("\xab\xcd")}, "t13d1516ad_8daaf6152771_e5627efa2ab1"},
		{"nothing at all", clientHello{version: versionTLS10}, "t10i000000_000000000000_000000000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.h.ja4('t'); got != tt.want {
				t.Errorf("ja4() = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestJA3 uses the example in the README of JA3.
func TestJA3(t *testing.T) {
	h := clientHello{version: 769, suites: u16s(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4), extensions: []extension{
		{typ: 0}, {extGroups, vec16(u16s(23, 24, 25))}, {extPointFormats, []byte{1, 0}},
	}}
	if got, want := string(h.ja3Text()), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0"; got != want {
		t.Errorf("ja3Text() = %s, want %s", got, want)
	}
	if got, want := h.ja3(), "ada70206e40642a3e4461f35503241d5"; got != want {
		t.Errorf("ja3() = %s, want %s", got, want)
	}
	h = clientHello{version: 769, suites: u16s(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99)}
	if got, want := h.ja3(), "de350869b8c85de67a350c8d186f11e6"; got != want {
		t.Errorf("without extensions: ja3() = %s, want %s", got, want)
	}
}
