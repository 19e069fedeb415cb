package http1test

import (
	"fmt"
	"strings"
)

// Kinds 39 to 46: statuses, what stands before a response, and who answers what.

func bodyless(l *list) {
	for _, st := range []string{"100", "101", "102", "204", "304"} {
		l.add(st+" with a body", "HTTP/1.1 "+st+" ok\r\n"+block(cl(full))+Hidden, "unexpected_body")
	}
	l.add("205 with a body", "HTTP/1.1 205 ok\r\n"+block(cl(full))+Hidden, "unexpected_body")
	for _, st := range []string{"204", "304"} {
		l.add(st+" with chunks", "HTTP/1.1 "+st+" ok\r\n"+block(te)+chunks(Hidden), "unexpected_body")
	}
	for _, st := range []string{"206", "300", "301", "302", "303", "305", "307", "308", "400", "401", "403", "404", "406", "407", "500", "502", "299"} {
		l.add(st+" with a body", "HTTP/1.1 "+st+" ok\r\n"+block(cl(full))+Hidden).Uncommon = true
	}
}

func strangeStatus(l *list) {
	for _, st := range []string{"000", "600", "700", "800", "900", "2xx", "20x", "2", "20", "2000", "0200", " 200", "\t200", "0204", "2040", "0304", "3040", "-200", "+200"} {
		l.add("a status of "+show(st), "HTTP/1.1 "+st+" ok\r\n"+block(cl(full))+Hidden, "bad_status", "bad_status_line")
	}
}

func beforeStatus(l *list) {
	for _, j := range []string{"\r\n", "\r\n\r\n", "\r", "\r\r", "\n", "\n\n", "\n\r"} {
		l.add(show(j)+" before the response", j+head(te)+chunks(Hidden), "junk_before_response")
	}
	for _, j := range []string{" \r\n", " \t\r\n", " \r\n\t\r\n", " \t\r\r\n", "foobar\r\n", "SIP/2.0 200 ok\r\n", " foobar\r\n", " SIP/2.0 200 ok\r\n", " \r", " \n",
		"H", "HT", "HTT", "HTTX", "HTTXY"} {
		l.add(show(j)+" before the response", j+head(te)+chunks(Hidden), "junk_before_response", "bad_status_line")
	}
	l.add("100 before the response", "HTTP/1.1 100 continue\r\n\r\n"+head(te)+chunks(Hidden)).Uncommon = true
}

func headless(l *list) {
	l.add("a body without a head", Hidden, "bad_status_line")
	for _, j := range []string{"\n", "\n\n"} {
		l.add("a body without a head behind "+show(j), j+Hidden, "bad_status_line")
	}
	for _, j := range []string{"HTT\n\n", "HTTP\n\n", "hTtp\n\n", "HTTP\n", "HTTP/\n\n", "HTTP.\n\n", "HTTPx\n\n"} {
		l.add("a body without a head behind "+show(j), j+Hidden, "bad_status_line", "bad_version").Want = j + Hidden
	}
	x := l.add("HTTP/0.9", Hidden)
	x.Request, x.Targets, x.Uncommon = "GET /old\r\n", []string{"/old"}, true
	for _, h := range []string{"Host: x\r\n\r\n", "Host: x\r\nFoo: bar\r\n\r\n", "Host: x\n\n", "Host: x\r\n"} {
		x = l.add("no version, and fields "+show(h), plain(Hidden), "bad_version")
		x.Request = "GET /a\r\n" + h
		x = l.add("no version, and fields, and an answer without a head "+show(h), Hidden, "bad_version")
		x.Request = "GET /a\r\n" + h
	}
	l.add("an empty fold and a length", head("Foo: bar\r\n \r\n", cl(full))+Hidden, "bad_head_end", "obs_fold")
}

const last = "GET /last HTTP/1.1\r\nHost: evader.example\r\nConnection: close\r\n\r\n"

func smuggled(l *list) {
	inner := "GET /inner HTTP/1.1\r\nHost: evader.example\r\n\r\n"
	post := func(body string, lines ...string) string {
		return "POST /a HTTP/1.1\r\nHost: evader.example\r\n" + strings.Join(lines, "") + "\r\n" + body
	}
	answer := plainKeep("x")
	add := func(name, req string, answers int, targets []string, anomalies ...string) {
		x := l.add(name, strings.Repeat(answer, answers)+plain(Hidden), anomalies...)
		x.Request, x.Targets = req, targets
	}
	add("CL.TE: the last chunk comes early", post("0\r\n\r\n"+inner, cl(len("0\r\n\r\n"+inner)), te)+last, 2, []string{"/a", "/inner", "/last"}, "te_and_cl")
	add("TE.CL: the length ends inside the chunks", post(chunks(inner), cl(4), te)+last, 1, []string{"/a", "/last"}, "te_and_cl")
	add("TE.TE: the second one is not known", post("0\r\n\r\n"+inner, te, "Transfer-Encoding: x\r\n", cl(len("0\r\n\r\n"+inner)))+last, 2, []string{"/a", "/inner", "/last"}, "multi_te")
	add("TE.TE: chunked in odd words", post("0\r\n\r\n"+inner, "Transfer-Encoding: xchunked\r\n", cl(len("0\r\n\r\n"+inner)))+last, 2, []string{"/a", "/inner", "/last"}, "te_and_cl")
	add("CL.0: a length of 0 and then a request", post(inner, cl(0))+last, 2, []string{"/a", "/inner", "/last"})
	l.cases[len(l.cases)-1].Uncommon = true
	add("CL.0: the body is a request", post(inner, cl(len(inner)))+last, 1, []string{"/a", "/last"}, "request_in_body")
	add("CL.0: the chunks are a request", post(chunked(inner, sized, "\r\n", "0\r\n\r\n"), te)+last, 1, []string{"/a", "/last"}, "request_in_body")
	add("CL.0: the body is the beginning of a request", post("GET /inner HTTP/1.1\r\nX: ", cl(24))+last, 1, []string{"/a", "/last"}, "request_in_body")
	for _, name := range []string{"Transfer_Encoding", "Transfer.Encoding", "Transfer Encoding"} {
		add("CL.TE: "+name, post("0\r\n\r\n"+inner, cl(len("0\r\n\r\n"+inner)), name+": chunked\r\n")+last, 2, []string{"/a", "/inner", "/last"}, "te_and_cl", "unknown_te")
	}
	for _, name := range []string{"Content_Length", "Content.Length", "Content Length"} {
		add(name+" and a body", post("abc", name+": 3\r\n")+last, 1, []string{"/a", "/last"}, "bad_cl")
		add(name+" and no body", post("", name+": 3\r\n")+last, 1, []string{"/a", "/last"}, "bad_cl")
	}
	for _, v := range []string{"identity, chunked", "chunked, identity", "chunked, chunked"} {
		add("Transfer-Encoding: "+v, post(chunks("abc"), "Transfer-Encoding: "+v+"\r\n")+last, 1, []string{"/a", "/last"}, "unknown_te")
	}
	for _, j := range []string{" \r\n", "\x00", "\x00\x00\x00", "junk\r\n", " "} {
		add("before the request stands "+show(j), j+post("", cl(0))+last, 1, []string{"/a", "/last"}, "junk_before_request")
	}
	add("CL.CL: 0 and the length of a request", post(inner, cl(0), cl(len(inner)))+last, 2, []string{"/a", "/inner", "/last"}, "dup_cl")
	add("a folded Transfer-Encoding", post(chunks("abc"), "Transfer-Encoding:\r\n chunked\r\n", cl(3))+last, 1, []string{"/a", "/last"}, "obs_fold")
	add("several codings", post(chunks("abc"), "Transfer-Encoding: identity, chunked\r\n", cl(3))+last, 1, []string{"/a", "/last"}, "te_and_cl")
	add("Expect and a length of 0", post("", "Expect: 100-continue\r\n", cl(0))+last, 1, []string{"/a", "/last"}, "expect_no_body")
	add("Expect and no length, and then a request", post("", "Expect: 100-continue\r\n")+inner+last, 2, []string{"/a", "/inner", "/last"}, "expect_no_body")
	add("chunked under HTTP/1.0", strings.Replace(post(chunks("abc"), te), "HTTP/1.1", "HTTP/1.0", 1)+last, 1, []string{"/a", "/last"}, "chunked_old_proto")
	add("a length in odd words", post("abc", "Content-Length: 3;\r\n")+last, 1, []string{"/a", "/last"}, "bad_cl")
	add("LF inside a chunk extension", post("3;\nxabc\r\n0\r\n\r\n", te)+last, 1, []string{"/a", "/last"}, "bare_lf_chunk_ext")
	l.cases = l.cases[:len(l.cases)-1] // what follows the LF is three bytes that are no chunk
}

// plainKeep is a response that leaves the connection open.
func plainKeep(body string) string { return ok + cl(len(body)) + "\r\n" + body }

func downgraded(l *list) {
	// What HTTP/2 fields become when a front end writes them into HTTP/1 as they are.
	for _, h := range []string{"foo: a\r\nTransfer-Encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 5\r\n", ":authority: other.example\r\ncontent-length: 5\r\n"} {
		body, names := "hello", []string{"bad_header_line"}
		if strings.Contains(strings.ToLower(h), "transfer") {
			body, names = chunks("hello"), []string{"te_and_cl"}
		}
		x := l.add("fields from HTTP/2: "+show(h), plain(Hidden), names...)
		x.Request = "POST /a HTTP/1.1\r\nhost: evader.example\r\n" + h + "\r\n" + body
		x.Uncommon = !strings.Contains(h, "content-length")
	}
}

func upgraded(l *list) {
	ask := "GET /a HTTP/1.1\r\nHost: evader.example\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"
	x := l.add("an upgrade that is refused", plainKeep("no")+plain(Hidden))
	x.Request, x.Targets, x.Uncommon = ask+last, []string{"/a", "/last"}, true
	x = l.add("CONNECT, and HTTP inside", "HTTP/1.1 200 ok\r\n\r\n"+plain(Hidden))
	x.Request, x.Targets, x.Uncommon = "CONNECT in.example:80 HTTP/1.1\r\n\r\n"+last, []string{"in.example:80", "/last"}, true
	x = l.add("CONNECT that is refused, with a body", "HTTP/1.1 403 no\r\n"+cl(2)+"\r\nno"+plain(Hidden))
	x.Request, x.Targets, x.Uncommon = "CONNECT in.example:80 HTTP/1.1\r\n\r\n"+last, []string{"in.example:80", "/last"}, true
	x = l.add("CONNECT with a body that is not HTTP", "HTTP/1.1 200 ok\r\n\r\nSSH-2.0-x\r\n")
	x.Request, x.Targets, x.Uncommon, x.Want = "CONNECT in.example:22 HTTP/1.1\r\n\r\nSSH-2.0-y\r\n", []string{"in.example:22"}, true, ""
}

func unmatched(l *list) {
	x := l.add("HEAD with a length, and then another response", "HTTP/1.1 200 ok\r\n"+cl(99)+"\r\n"+plain(Hidden))
	x.Request, x.Targets, x.Uncommon = "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"+last, []string{"/a", "/last"}, true
	x = l.add("HEAD with a length and a body", plain(Hidden), "unexpected_body")
	x.Request = "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"
	x = l.add("304 with a length, and then another response", "HTTP/1.1 304 ok\r\n"+cl(99)+"\r\n"+plain(Hidden))
	x.Request, x.Targets, x.Uncommon = request+last, []string{"/a", "/last"}, true
	l.add("many interim responses", strings.Repeat("HTTP/1.1 103 early\r\nLink: x\r\n\r\n", 1000)+plain(Hidden), "head_limit").Uncommon = true
	x = l.add("a response that nobody asked for", plainKeep("x")+plain(Hidden))
	x.Uncommon, x.Want = true, "x"
}

var kinds = []func(*list){
	teAndLength, shortLength, oldChunked, versions, sizeThen, beforeSize, lastChunk, extensions, cutChunk, otherTE, foldedTE, crTE, manyTE, colonTE, hiddenTE, wordTE,
	partedCoding, lzmaCoding, twoDeflates, stacked, mismatched, oddCE, gzipHeaders, gzipTrailers, transferCoding,
	twoLengths, foldedLength, oddLength, wrongLength, strangeNumbers,
	spacedFirst, junkLines, nulInside, aroundTE, statusOnly, nulStatus, strangeEOL, headEnds,
	bodyless, strangeStatus, beforeStatus, headless, smuggled, downgraded, upgraded, unmatched,
}

// Describe names a case in one line.
func (c *Case) Describe() string { return fmt.Sprintf("%02d %s", c.Kind, c.Name) }
