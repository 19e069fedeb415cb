package http1test

import (
	"fmt"
	"strings"
)

// Kinds 17 to 25: content codings.

func partedCoding(l *list) {
	for _, c := range []struct{ value, coding string }{{"gzip", "gzip"}, {"deflate", "zlib"}, {"deflate", "raw"}} {
		l.add("a flush inside "+c.coding, plain(flushed(c.coding, Hidden), "Content-Encoding: "+c.value+"\r\n")).Uncommon = true
		l.add("a flush inside "+c.coding+", in chunks", head(te, "Content-Encoding: "+c.value+"\r\n")+chunks(flushed(c.coding, Hidden))).Uncommon = true
	}
	two := pack("gzip", Hidden[:20]) + pack("gzip", Hidden[20:])
	l.add("two gzip members", plain(two, "Content-Encoding: gzip\r\n")).Uncommon = true
	l.add("two gzip members, in chunks", head(te, "Content-Encoding: gzip\r\n")+chunks(two)).Uncommon = true
	l.add("x-gzip", plain(pack("gzip", Hidden), "Content-Encoding: x-gzip\r\n")).Uncommon = true
	for _, v := range []string{"\r\n gzip", "\r\n \r\n gzip"} {
		l.add("Content-Encoding: "+show(v), plain(pack("gzip", Hidden), "Content-Encoding: "+v+"\r\n"), "obs_fold", "bad_head_end")
	}
}

func lzmaCoding(l *list) {
	l.add("lzma", plain(pack("lzma", Hidden), "Content-Encoding: lzma\r\n")).Uncommon = true
}

func twoDeflates(l *list) {
	l.add("deflate without the zlib format", plain(pack("raw", Hidden), "Content-Encoding: deflate\r\n")).Uncommon = true
	l.add("deflate in the zlib format", plain(pack("zlib", Hidden), "Content-Encoding: deflate\r\n")).Uncommon = true
	for _, coding := range []string{"raw", "zlib"} {
		for _, v := range []string{"x-deflate", "\r\n deflate", "\r\n \r\n deflate"} {
			l.add("Content-Encoding: "+show(v)+" for "+coding, plain(pack(coding, Hidden), "Content-Encoding: "+v+"\r\n"), "ce_mismatch", "obs_fold", "bad_head_end")
		}
	}
}

// fields writes codings as one Content-Encoding field, and as several.
func fields(codings ...string) []string {
	var several strings.Builder
	for _, c := range codings {
		several.WriteString("Content-Encoding: " + c + "\r\n")
	}
	return []string{"Content-Encoding: " + strings.Join(codings, ",") + "\r\n", several.String()}
}

func packAll(b string, codings ...string) string {
	for _, c := range codings {
		b = pack(c, b)
	}
	return b
}

func stacked(l *list) {
	for _, codings := range [][]string{{"gzip", "gzip"}, {"deflate", "deflate"}, {"gzip", "deflate"}, {"deflate", "gzip"},
		{"gzip", "deflate", "gzip"}, {"deflate", "gzip", "deflate"}, {"gzip", "gzip", "gzip", "deflate"}} {
		for i, f := range fields(codings...) {
			l.add(fmt.Sprintf("%q, fields %d", codings, i), plain(packAll(Hidden, codings...), f), "stacked_coding")
		}
	}
	for _, f := range []string{"Content-Encoding: gzip,deflate\r\nContent-Encoding: gzip\r\n"} {
		l.add("three codings in two fields", plain(packAll(Hidden, "gzip", "deflate", "gzip"), f), "stacked_coding")
	}
	for _, c := range []string{"gzip", "deflate"} {
		for i, f := range append(fields("identity", c), fields(c, "identity")...) {
			l.add(fmt.Sprintf("identity and %s, %d", c, i), plain(pack(c, Hidden), f)).Uncommon = true
		}
	}
	for i, f := range append(fields("identity"), fields("identity", "identity")...) {
		l.add(fmt.Sprintf("identity alone, %d", i), plain(Hidden, f)).Uncommon = true
	}
}

func mismatched(l *list) {
	for _, claimed := range [][]string{{"gzip", "gzip"}, {"deflate", "deflate"}, {"gzip", "deflate"}, {"deflate", "gzip"}} {
		sent := [][]string{nil, {"gzip"}, {"deflate"}, {claimed[1], claimed[0]}}
		for _, s := range sent {
			if claimed[0] == claimed[1] && (len(s) == 2 || len(s) == 1 && s[0] != claimed[0]) {
				continue
			}
			for i, f := range fields(claimed...) {
				l.add(fmt.Sprintf("%q is claimed, %q is sent, fields %d", claimed, s, i), plain(packAll(Hidden, s...), f), "ce_mismatch")
			}
		}
	}
	for _, c := range []string{"gzip", "deflate", "br", "zstd", "compress"} {
		l.add(c+" is claimed, and the body is plain", plain(Hidden, "Content-Encoding: "+c+"\r\n"), "ce_mismatch")
	}
	l.add("gzip is claimed, bare deflate is sent", plain(pack("raw", Hidden), "Content-Encoding: gzip\r\n"), "ce_mismatch")
	l.add("deflate is claimed, gzip is sent", plain(pack("gzip", Hidden), "Content-Encoding: deflate\r\n"), "ce_mismatch")
	// No reader undoes this, but it is odd.
	l.add("gzip is sent and not claimed, of a type that is text", plain(pack("gzip", Hidden)), "ce_mismatch").Want = pack("gzip", Hidden)
}

func oddCE(l *list) {
	for _, c := range []struct{ name, coding string }{{"gzip", "gzip"}, {"deflate", "zlib"}, {"deflate", "raw"}} {
		for _, v := range []string{"%s_x", "x_%s", "%sx", "x%s", "%s x", "x %s", ",%s", ";%s", "\x00%s", "\v%s", "\f%s", "\xa0%s", "%s,", "%s;", "%s\x00", "%s\v", "%s\f", "%s\xa0",
			"\n\x00%s", "\n\v%s", "\n\f%s", "\n\xa0%s"} {
			v := fmt.Sprintf(v, c.name)
			l.add(fmt.Sprintf("Content-Encoding:%q for %s", v, c.coding), plain(pack(c.coding, Hidden), "Content-Encoding:"+v+"\r\n"),
				"ce_mismatch", "bad_header_line", "bare_lf_eol", "escaped_bytes")
		}
		middle := c.name[:2] + "\x00" + c.name[2:]
		l.add(fmt.Sprintf("NUL inside the coding, %s", c.coding), plain(pack(c.coding, Hidden), "Content-Encoding:"+middle+"\r\n"), "ce_mismatch")
		for _, h := range []string{"Content\x00-Encoding:", "Content-Encoding\x00:", "Content-Encoding\v:", "Content-Encoding\f:", "Content-Encoding\r\n :", "Content-Encoding\r\n :\r\n ",
			"Content-Encoding :", "Content-Encoding::", "\rContent-Encoding:", "X-Foo: bar\rContent-Encoding:", "X-Foo: bar\nContent-Encoding:"} {
			l.add(fmt.Sprintf("%q%s for %s", h, c.name, c.coding), plain(pack(c.coding, Hidden), h+c.name+"\r\n"),
				"bad_header_line", "obs_fold", "ws_before_colon", "bare_cr_eol", "bare_cr_value", "bare_lf_eol", "ce_mismatch")
			l.add(fmt.Sprintf("%q%s and a plain body, beside %s", h, c.name, c.coding), plain(Hidden, h+c.name+"\r\n"),
				"bad_header_line", "obs_fold", "ws_before_colon", "bare_cr_eol", "bare_cr_value", "bare_lf_eol", "ce_mismatch")
		}
	}
	for _, v := range []string{"foo", "gzip_x", "x gzip"} {
		l.add("Content-Encoding: "+v+" and a plain body", plain(Hidden, "Content-Encoding: "+v+"\r\n"), "ce_mismatch")
		l.add("Content-Encoding: "+v+" beside deflate", plain(pack("zlib", Hidden), "Content-Encoding: deflate\r\nContent-Encoding: "+v+"\r\n"), "ce_mismatch")
	}
}

// gzipFields puts fields into the header of a gzip member.
func gzipFields(flags byte, extra string) string {
	b := pack("gzip", Hidden)
	return b[:3] + string([]byte{flags}) + b[4:10] + extra + b[10:]
}

func gzipHeaders(l *list) {
	ce := "Content-Encoding: gzip\r\n"
	for _, f := range []struct {
		name      string
		flags     byte
		extra     string
		anomalies []string
	}{
		{"FTEXT", 1, "", nil},
		{"FHCRC that is wrong", 2, "\x00\x00", []string{"gzip_header"}},
		{"FEXTRA", 4, "\x04\x00abcd", nil},
		{"FEXTRA of length 0", 4, "\x00\x00", nil},
		{"FNAME", 8, "name\x00", nil},
		{"FCOMMENT", 16, "a comment\x00", nil},
		{"FNAME and FCOMMENT", 24, "name\x00a comment\x00", nil},
		{"FEXTRA, FNAME and FCOMMENT", 28, "\x02\x00abname\x00a comment\x00", nil},
		{"a reserved bit", 32, "", []string{"gzip_header"}},
		{"another reserved bit", 64, "", []string{"gzip_header"}},
		{"the third reserved bit", 128, "", []string{"gzip_header"}},
	} {
		x := l.add("a gzip header with "+f.name, plain(gzipFields(f.flags, f.extra), ce), f.anomalies...)
		x.Uncommon = f.anomalies == nil
	}
}

func gzipTrailers(l *list) {
	ce := "Content-Encoding: gzip\r\n"
	gz := pack("gzip", Hidden)
	n := len(gz)
	for _, t := range []struct{ name, body string }{
		{"a wrong checksum", gz[:n-8] + "abcd" + gz[n-4:]},
		{"a wrong length", gz[:n-4] + "abcd"},
		{"a wrong checksum and length", gz[:n-8] + "abcdefgh"},
		{"no length", gz[:n-4]},
		{"no trailer", gz[:n-8]},
		{"half a checksum", gz[:n-6]},
		{"one byte less", gz[:n-1]},
		{"junk behind it", gz + "junk and more junk"},
	} {
		l.add("gzip with "+t.name, plain(t.body, ce), "gzip_bad_trailer")
	}
}

func transferCoding(l *list) {
	for _, c := range []string{"gzip", "deflate"} {
		h := "Transfer-Encoding: " + c + "\r\n"
		l.add("Transfer-Encoding: "+c, plain(pack(c, Hidden), h), "te_coding")
		l.add("Transfer-Encoding: "+c+", chunked", head("Transfer-Encoding: "+c+", chunked\r\n")+chunks(pack(c, Hidden)), "te_coding")
		l.add("Transfer-Encoding: "+c+" and Content-Encoding: gzip", plain(pack(c, pack("gzip", Hidden)), "Content-Encoding: gzip\r\n"+h), "te_coding")
		l.add("Transfer-Encoding: "+c+" and a plain body", plain(Hidden, h), "te_coding")
	}
}
