package http1test

import (
	"fmt"
	"strings"
)

// Kinds 31 to 38: the lines of the head.

func spacedFirst(l *list) {
	for _, sp := range []string{" ", "\t"} {
		l.add(show(sp)+"before chunked as the first field", ok+sp+te+block()+chunks(Hidden), "ws_before_header")
		l.add(show(sp)+"before chunked as the first field, not sent in chunks", ok+sp+te+block(cl(full))+Hidden, "ws_before_header")
		l.add(show(sp)+"before chunked as the first field, to the end", ok+sp+te+block()+Hidden, "ws_before_header")
		l.both(show(sp)+"before chunked, below a field", func(b, n string) string { return head("X-Foo: bar\r\n"+sp+te, n) + b }, "obs_fold")
	}
}

func junkLines(l *list) {
	for _, line := range []string{"L\xf6chriger-H\xe4ddar: foobar\r\n", "foo:b\x01ar\r\n", ": foo\r\n", "\x7f\r\n", "\x00\r\n", "qutqzdafsdsh sddfd\r\n", "Foo Bar: foobar\r\n",
		"FooBar: foobar\r\n     barfoot\r\n", "\r\r\n", "\n\r\n", "\r\r\r\n", "\n\r\r\n", "Foo: bar\r\n \r\n",
		"(foo): bar\r\n", "foo@bar: x\r\n", "foo: b\x7far\r\n", "\xfffoo: bar\r\n", "foo: a\r\rb\r\n", "foo:\r\rb\r\n", "foo: a\r\r\rb\r\n"} {
		names := []string{"bad_header_line", "escaped_bytes", "obs_fold", "bad_head_end", "bare_lf_eol", "nonstd_eol", "bare_cr_value"}
		l.both(show(line)+" above chunked", func(b, n string) string { return head(line+te, n) + b }, names...)
		l.add(show(line)+" and a length", head(line, cl(full))+Hidden, names...)
		l.add(show(line)+" below chunked", head(te, line)+chunks(Hidden), names...)
	}
	l.add("DEL and nothing else", ok+"\x7f\r\n\r\n"+Hidden, "bad_header_line", "bad_head_end")
}

func nulInside(l *list) {
	for _, h := range []string{"foo:b\x00ar\r\n" + te, "foo:b\x80ar\r\n" + te, "Transfer-Encoding:chu\x00nked\r\n", "Transfer\x00-Encoding: chunked\r\n", "Transfer\x00-Encoding:chun\x00ked\r\n"} {
		l.both(show(h), func(b, n string) string { return head(h, n) + b }, "bad_header_line", "escaped_bytes")
	}
}

func aroundTE(l *list) {
	for _, c := range []string{"\v", "\f", "\x00", "\xa0", "\x7f", "\xef\xbb\xbf", "\xc2\x84", "\n\x00", "\n\v", "\n\f", "\n\xa0", ";", ","} {
		l.add(show(c)+" before chunked", head("Transfer-Encoding:"+c+"chunked\r\n")+chunks(Hidden), "unknown_te", "bad_header_line")
	}
	for _, c := range []string{"\v", "\f", "\x00", "\x7f", "\xa0", ";", ","} {
		l.add(show(c)+" behind chunked", head("Transfer-Encoding:chunked"+c+"\r\n")+chunks(Hidden), "unknown_te", "bad_header_line")
	}
	for _, v := range []string{"chu\x7fnked", "chu\r\n nked", "chu\r\nnked"} {
		l.both("Transfer-Encoding:"+show(v), func(b, n string) string { return head("Transfer-Encoding:"+v+"\r\n", n) + b }, "unknown_te", "obs_fold", "bad_header_line")
	}
	for _, name := range []string{"Transfer_Encoding", "TRANSFER_ENCODING", "Transfer.Encoding", "Transfer Encoding", "\xef\xbb\xbfTransfer-Encoding", "Transfer-Encoding\xa0"} {
		l.both(show(name), func(b, n string) string { return head(name+": chunked\r\n", n) + b }, "unknown_te", "bad_header_line")
	}
	for _, name := range []string{"Content_Length", "Content.Length", "Content Length"} {
		l.add(show(name), head(fmt.Sprintf("%s: %d\r\n", name, full))+Hidden, "bad_cl")
		l.add(show(name)+" and junk", head(fmt.Sprintf("%s: %d\r\n", name, full))+Hidden+junk, "bad_cl")
		l.add(show(name)+" and another length", head(fmt.Sprintf("%s: %d\r\n", name, half), cl(full))+Hidden, "bad_cl", "dup_cl")
	}
	for _, v := range []string{"\n :chunked", "\r :chunked", "\r\n :chunked", "\r\n :\r\n chunked", "\r\n \r\n :\r\n chunked", "\n\x00:chunked"} {
		l.add("Transfer-Encoding"+show(v), head("Transfer-Encoding"+v+"\r\n")+chunks(Hidden), "unknown_te", "obs_fold", "bad_header_line", "bare_cr_value")
	}
}

func statusOnly(l *list) {
	l.add("a status line without a code", "HTTP/1.1\r\n"+block(cl(full))+Hidden, "bad_status_line")
	l.add("a status line without a reason", "HTTP/1.1 200\r\n"+block(cl(full))+Hidden).Uncommon = true
	for _, line := range []string{"HTTP/1.1", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 ok"} {
		for _, eol := range []string{"\r", "\n", "\r\n"} {
			x := []string{"bad_status_line", "bare_cr_eol", "bare_lf_eol"}
			if eol == "\r\n" && line != "HTTP/1.1" {
				continue
			}
			l.add(fmt.Sprintf("%q and chunked behind %q", line, eol), line+eol+te+block()+chunks(Hidden), x...)
			l.add(fmt.Sprintf("%q and chunked behind %q, not sent in chunks", line, eol), line+eol+te+block(cl(full))+Hidden, append(x, "te_and_cl")...)
		}
	}
	l.add("no status line, sent in chunks", te+block()+chunks(Hidden), "bad_status_line")
	l.add("no status line, not sent in chunks", te+block(cl(full))+Hidden, "bad_status_line")
}

func nulStatus(l *list) {
	for _, line := range []string{"\x00HTTP/1.1 200 ok", "HTT\x00P/1.1 200 ok", "HTTP/1\x00.1 200 ok", "HTTP/1.1\x00 200 ok", "HTTP/1.1 2\x0000 ok", "HTTP/1.1 200\x00 ok",
		"HTTP/1.1\x00200\x00ok", "HTTP/1.1\v200\vok", "HTTP/1.1 -65336 ", "HTTP/1.1foobar", "HTTP/1.foobar", "HTTP/1foobar", "HTTP/foobar", "HTTP/", "HTTP", "HTTP\\1.1 200 ok",
		"HTTP/1.1\t204 ok", "HTTP/1.1\t304 ok", "HTTP/1.1    204 ok", "HTTP/1.1    304 ok", " HTTP/1.1 200 ok", "HTTP/1.1\t200 ok"} {
		l.add(show(line)+" and chunked", line+"\r\n"+te+block()+chunks(Hidden),
			"bad_status_line", "bad_version", "bad_status", "junk_before_response", "bad_header_line", "unexpected_body")
	}
	l.add("HTTP/1.1foobar and chunked behind CR", "HTTP/1.1foobar\r"+te+block()+chunks(Hidden), "bad_status_line", "bad_version")
}

func strangeEOL(l *list) {
	for _, eol := range []string{"\r", "\n", "\r\r", "\n\r", "\r\x00\n", "\n\r\r\n"} {
		for _, end := range []string{"", "\r\n\n", "\r\n\r\n"} {
			h := strings.TrimSuffix(strings.ReplaceAll(head(te), "\r\n", eol), eol+eol)
			g := strings.TrimSuffix(strings.ReplaceAll(head(cl(full)), "\r\n", eol), eol+eol)
			if end == "" && len(eol) > 2 {
				continue // where that head ends is anybody's guess
			}
			if end == "" {
				h, g = h+eol+eol, g+eol+eol
			}
			x := []string{"nonstd_eol", "bare_lf_eol", "bare_cr_eol", "bad_head_end"}
			l.add(fmt.Sprintf("line ends of %q, at the end %q, chunked", eol, end), h+end+chunks(Hidden), x...)
			l.add(fmt.Sprintf("line ends of %q, at the end %q, with a length", eol, end), g+end+Hidden, x...)
		}
	}
}

func headEnds(l *list) {
	for _, end := range []string{"\n\n", "\n\r\n", "\n\r\r\n", "\n\r\r\n\r\n", "\n \n", "\n \n\n", "\r\n \r\n\r\n", "\n\t\n", "\n\t\n\n", "\r\n\t\r\n\r\n", "\n\v\n", "\n\v\n\n", "\r\n\v\r\n\r\n",
		"\r\r", "\r\n\x00\r\n", "\r\x00\r\n"} {
		gz := pack("gzip", Hidden)
		for _, c := range []struct{ name, head, body string }{
			{"a length", cl(full), Hidden}, {"chunked", te, chunks(Hidden)}, {"gzip", "Content-Encoding: gzip\r\n" + cl(len(gz)), gz},
		} {
			h := strings.TrimSuffix(head(c.head), "\r\n\r\n")
			l.add(fmt.Sprintf("a head that ends in %q, %s", end, c.name), h+end+c.body, "bad_head_end", "bare_lf_eol", "nonstd_eol", "bare_cr_eol")
		}
	}
}
