package http1test

import (
	"fmt"
	"strings"
)

// Kinds 1 to 16: what says that a body is chunked, and the chunks.

func teAndLength(l *list) {
	l.add("chunked, then the right length", head(te, cl(len(chunks(Hidden))))+chunks(Hidden), "te_and_cl")
	l.add("the right length, then chunked", head(cl(len(Hidden)), te)+chunks(Hidden), "te_and_cl")
	l.add("chunked, and a huge length", head(te, cl(1_000_000_000))+chunks(Hidden), "te_and_cl")
	l.add("chunked is claimed, but the length is right", head(te, cl(len(Hidden)))+Hidden, "te_and_cl")
	l.add("chunked is claimed, but the length is right, with gzip",
		head(te, "Content-Encoding: gzip\r\n", cl(len(pack("gzip", Hidden))))+pack("gzip", Hidden), "te_and_cl")
}

func shortLength(l *list) {
	for _, n := range []int{len(Hidden) / 2, 2 * len(Hidden), len(Hidden)} {
		l.add(fmt.Sprintf("chunked, and a length of %d", n), head(te, cl(n))+chunks(Hidden), "te_and_cl")
		l.add(fmt.Sprintf("a length of %d, and chunked", n), head(cl(n), te)+chunks(Hidden), "te_and_cl")
	}
}

func oldChunked(l *list) {
	for _, order := range []string{te, te + "%s", "%s" + te} {
		for _, coding := range []string{"", "gzip"} {
			body, ce := Hidden, ""
			if coding != "" {
				body, ce = pack(coding, Hidden), "Content-Encoding: gzip\r\n"
			}
			for _, sent := range []bool{true, false} {
				b := body
				if sent {
					b = chunks(body)
				}
				h := strings.ReplaceAll(order, "%s", cl(len(b)))
				l.add(fmt.Sprintf("%q under HTTP/1.0, in chunks %t %s", h, sent, coding), "HTTP/1.0 200 ok\r\n"+block(h, ce)+b, "chunked_old_proto")
			}
		}
	}
}

func versions(l *list) {
	for _, v := range []string{"HTTP/1.2", "HTTP/2.0", "HTTP/2.1", "HTTP/0.9", "HTTP/1.01", "HTTP/1.10", "http/1.1", "http/1.0", "HTTP/0.1", "HTTP/01.1",
		"HTTP/11.01", "HTTP/9.9", "HTTP/1.00", "HTTP/1.010", "HTTP/1A.1B", "HTTP/2.B", "HTTP/9.-1", "HTTP/1 .1", "HTTP/+1.+1", "ICY", "FTP/1.1", "HTTP\\1.1", "HTTP/A.B"} {
		l.both(v+" and chunked", func(body, length string) string { return v + " 200 ok\r\n" + block(te, length) + body },
			"bad_version", "bad_status_line")
		l.add(v+" with a length", v+" 200 ok\r\n"+block(cl(len(Hidden)))+Hidden, "bad_version", "bad_status_line")
	}
}

func sizeThen(l *list) {
	for _, c := range []string{"\r", "\n", "\x00", "\v", "\f", "x", ",", " x", " ", "\t"} {
		l.add("a chunk size and "+show(c), head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x%s\r\n", n, c) }, "\r\n", "0\r\n\r\n"),
			"bad_chunk_line", "bare_lf_chunk_ext")
	}
}

func beforeSize(l *list) {
	for _, c := range []string{" ", "\t", "\r", "\n", "\r\n", "\r\n\r\n", "\r\nx\r\n", "x", ",", ";", "\x00", "\v", "\f", "x ", "+", "0x"} {
		l.add(show(c)+" before each chunk size", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%s%x\r\n", c, n) }, "\r\n", "0\r\n\r\n"), "bad_chunk_line")
	}
	for _, c := range []string{" ", "\n", "\r", "\r\n"} {
		l.add(show(c)+" before the first chunk", head(te)+c+chunks(Hidden), "bad_chunk_line")
	}
	l.add("sizes as negative numbers of 32 bits", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("-%x\r\n", uint32(-n)) }, "\r\n", "0\r\n\r\n"), "bad_chunk_line")
	l.add("sizes as negative numbers of 64 bits", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("-%x\r\n", uint64(-n)) }, "\r\n", "0\r\n\r\n"), "bad_chunk_line")
}

func lastChunk(l *list) {
	for _, last := range []string{"0x\r\n\r\n", "0\n", "0\r", "0", "0\n\n", "0\n \n", "0\n\r\n", "0\n\r\r\n", "0\r\nfoobar\r\n", "0\r\n foo: bar\r\n\r\n", "0\r\nfoo : bar\r\n\r\n", ""} {
		l.add("a last chunk that is "+show(last), head(te)+chunked(Hidden, sized, "\r\n", last), "bad_final_chunk", "bare_lf_chunk_ext", "bad_chunk_line")
	}
	for _, last := range []string{"00\r\n\r\n", "00000000000000000000\r\n\r\n"} {
		l.add("a last chunk that is "+show(last), head(te)+chunked(Hidden, sized, "\r\n", last), "chunk_size_zeros")
	}
	for _, f := range []string{"0%x\r\n", "00%x\r\n", "0%X\r\n"} {
		l.add("sizes written as "+show(f), head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf(f, n) }, "\r\n", "0\r\n\r\n"), "chunk_size_zeros")
	}
	l.add("sizes in capitals", head(te)+"5C\r\n"+Hidden+strings.Repeat(" ", 0x5c-len(Hidden))+"\r\n0\r\n\r\n").Want = Hidden + strings.Repeat(" ", 0x5c-len(Hidden))
	l.cases[len(l.cases)-1].Uncommon = true
}

func extensions(l *list) {
	l.add("an extension", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x; foobar\r\n", n) }, "\r\n", "0\r\n\r\n"), "chunk_extension")
	l.add("an extension that looks like a chunk", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x; %s  %x\r\n", n, strings.Repeat("x", n), n) }, "\r\n", "0\r\n\r\n"), "chunk_extension")
	l.add("an extension that ends in LF", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x;a\n", n) }, "\r\n", "0\r\n\r\n"), "bare_lf_chunk_ext")
	l.add("an extension with LF in it", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x;a\nb\r\n", n) }, "\r\n", "0\r\n\r\n"), "bare_lf_chunk_ext")
	l.add("an extension with CR in it", head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x;a\rb\r\n", n) }, "\r\n", "0\r\n\r\n"), "bad_chunk_line")
}

func cutChunk(l *list) {
	whole := chunks(Hidden)
	cut := strings.TrimSuffix(whole, "\r\n0\r\n\r\n")
	i := strings.LastIndex(cut[:len(cut)-size/3], "\r\n"+fmt.Sprintf("%x", len(Hidden)%size))
	l.add("the connection ends inside a chunk", head(te)+cut[:i]+"\r\n"+fmt.Sprintf("%x\r\n", len(Hidden)%size+10)+Hidden[len(Hidden)/size*size:], "bad_final_chunk")
	for _, end := range []string{"\x00", "\n", "\r", " ", "\t"} {
		l.add(show(end)+" behind the data of each chunk", head(te)+chunked(Hidden, sized, end+"\r\n", "0\r\n\r\n"), "bad_chunk_line")
	}
	for _, eol := range []string{"\n", "\n\n", "\n\r"} {
		l.add("chunks whose lines end in "+show(eol), head(te)+chunked(Hidden, func(n int) string { return fmt.Sprintf("%x%s", n, eol) }, eol, "0"+eol+eol), "bare_lf_chunk_ext")
	}
}

func otherTE(l *list) {
	for _, v := range []string{"xchunked", "chunkedx", "x chunked", "chunked x", "chunked;", "chu", "chunked,", ",chunked",
		"identity, chunked", "chunked, identity", "chunked, chunked"} {
		l.both("Transfer-Encoding: "+v, func(b, n string) string { return head("Transfer-Encoding: "+v+"\r\n", n) + b }, "unknown_te", "te_and_cl")
	}
	l.add("chunked under Content-Encoding", head("Content-Encoding: chunked\r\n")+chunks(Hidden), "unknown_te")
	l.add("chunked in mixed case", head("Transfer-Encoding: chUnked\r\n")+chunks(Hidden)).Uncommon = true
	l.add("chunked behind much white space", head("Transfer-Encoding:"+strings.Repeat(" ", 10_000)+"chunked\r\n")+chunks(Hidden)).Uncommon = true
}

func foldedTE(l *list) {
	for _, v := range []string{"\r\n chunked", "chunked\r\n ", "\r\n \r\n chunked", "\r\n \r\n chunked\r\n ", "x\r\n chunked", "chunked\r\n x"} {
		l.both("Transfer-Encoding: "+show(v), func(b, n string) string { return head("Transfer-Encoding: "+v+"\r\n", n) + b }, "obs_fold", "bad_head_end")
	}
}

func crTE(l *list) {
	for _, v := range []string{"\rchunked", "\r chunked", "chunked\r ", "\r\rchunked"} {
		l.both("Transfer-Encoding:"+show(v), func(b, n string) string { return head("Transfer-Encoding:"+v+"\r\n", n) + b }, "bare_cr_value", "nonstd_eol")
	}
}

func manyTE(l *list) {
	odd, empty := "Transfer-Encoding: lalala\r\n", "Transfer-Encoding: \r\n"
	for _, h := range []string{odd + te, te + odd, odd + te + odd, empty + te, te + empty} {
		for _, coding := range []string{"", "gzip"} {
			body, ce := Hidden, ""
			if coding != "" {
				body, ce = pack("gzip", Hidden), "Content-Encoding: gzip\r\n"
			}
			for _, n := range []string{"", cl(len(chunks(body)))} {
				l.add(fmt.Sprintf("%q %q %s, sent in chunks", h, n, coding), head(ce, h, n)+chunks(body), "multi_te")
			}
			l.add(fmt.Sprintf("%q %s, not sent in chunks", h, coding), head(ce, h, cl(len(body)))+body, "multi_te")
		}
	}
}

func colonTE(l *list) {
	for _, c := range []string{" :", "\t:", "\r:", "::", " \t \t :", "\v:", "\f:", "\x00:"} {
		l.both("Transfer-Encoding"+show(c), func(b, n string) string { return head("Transfer-Encoding"+c+" chunked\r\n", n) + b },
			"ws_before_colon", "bad_header_line", "unknown_te", "bare_cr_value")
	}
}

func hiddenTE(l *list) {
	for _, eol := range []string{"\r", "\n", "\rx", "\r\r", "\r \r", "\n\n", "\n \n", "\r\n \r\n"} {
		l.both("Transfer-Encoding behind "+show(eol), func(b, n string) string { return head("X-Foo: bar"+eol+te, n) + b },
			"bare_cr_eol", "bare_lf_eol", "bare_cr_value", "bad_head_end")
	}
}

func wordTE(l *list) {
	for _, v := range []string{"=?UTF-8?B?Y2h1bmtlZAo=?=", "=?UTF-8?Q?chunked?="} {
		l.both("Transfer-Encoding: "+v, func(b, n string) string { return head("Transfer-Encoding: "+v+"\r\n", n) + b }, "unknown_te", "te_and_cl")
	}
}
