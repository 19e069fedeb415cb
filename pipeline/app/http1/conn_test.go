package http1

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

const (
	get   = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	getB  = "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
	getC  = "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"
	post3 = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	ok2   = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	okB   = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nb's"
	okC   = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nc's"
	chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func TestExchanges(t *testing.T) {
	talksWithAnomalies(t, []talk{
		{name: "keep-alive", moves: []move{c(get), s(ok2), c(post3), s(okB)}, want: `
			complete GET /a -> 200 "ok"
			complete POST /p "abc" -> 200 "b's"`},
		{name: "pipelining", moves: []move{c(get + getB), c(getC), s(ok2), s(okB + okC)}, want: `
			complete GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"
			complete GET /c -> 200 "c's"`},
		{name: "chunks", moves: []move{c(get), s(chunk + "3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			complete GET /a -> 200 "abc0123456789"
			complete GET /b -> 200 "b's"`, anomalies: "chunk_extension"},
		{name: "chunks with trailers", moves: []move{c(get), s(chunk + "3\r\nabc\r\n0\r\nX: 1\r\nY:  2 \r\n\r\n")}, want: `
			complete GET /a -> 200 "abc" +X:1 +Y:2`},
		{name: "a chunked request", moves: []move{c("PUT /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"), c("0\r\n\r\n"), s(ok2)}, want: `
			complete PUT /p "x" -> 200 "ok"`},
		{name: "a body that ends with the connection", moves: []move{c(get), s("HTTP/1.0 200 OK\r\n\r\nabc"), s("def"), sClose}, want: `
			complete GET /a -> 200 "abcdef"`},
		{name: "a body that would end with the connection, which is reset", end: app.EndRST, moves: []move{c(get), s("HTTP/1.0 200 OK\r\n\r\nabc")}, want: `
			partial GET /a -> 200 "abc"`, anomalies: "rst"},
		{name: "a body that would end with the connection, which the capture leaves", end: app.EndCapture, moves: []move{c(get), s("HTTP/1.0 200 OK\r\n\r\nabc")}, want: `
			partial GET /a -> 200 "abc"`},
		{name: "HEAD", moves: []move{c("HEAD /a HTTP/1.1\r\n\r\n" + getB), s("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + okB)}, want: `
			complete HEAD /a -> 200
			complete GET /b -> 200 "b's"`},
		{name: "204 and 304 have no body", moves: []move{c(get + getB + getC), s("HTTP/1.1 204 No Content\r\n\r\n"),
			s("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n" + okC)}, want: `
			complete GET /a -> 204
			complete GET /b -> 304
			complete GET /c -> 200 "c's"`},
		{name: "204 announces a body, and there is none", moves: []move{c(get), s("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"), c(getB), s(okB)}, want: `
			complete GET /a -> 204
			complete GET /b -> 200 "b's"`},
		{name: "204 announces a body, and the connection ends", moves: []move{c(get), s("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"), sClose}, want: `
			complete GET /a -> 204`},
		{name: "204 has a body", moves: []move{c(get), s("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"), c(getB), s(okB)}, want: `
			complete GET /a -> 204 "abc"
			complete GET /b -> 200 "b's"`, anomalies: "unexpected_body"},
		{name: "204 has chunks", moves: []move{c(get), s("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"), s("1\r\nx\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			complete GET /a -> 204 "x"
			complete GET /b -> 200 "b's"`, anomalies: "unexpected_body"},
		{name: "an empty body", moves: []move{c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), c(getB), s(okB)}, want: `
			complete GET /a -> 200
			complete GET /b -> 200 "b's"`},
		{name: "100 and 103 come before the response", moves: []move{c("POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"),
			s("HTTP/1.1 100 Continue\r\n\r\n"), c("abc"), s("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), s(ok2)}, want: `
			complete POST /p "abc" -> 100, 103, 200 "ok"`},
		{name: "a connection that ends behind an interim response", moves: []move{c(get), s("HTTP/1.1 103 Early Hints\r\n\r\n"), sClose}, want: `
			request_only GET /a ->`},
		{name: "101 hands both directions over", moves: []move{c("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
			s("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"), c("\x81\x82\x00\x00\x00\x00yo")}, want: `
			complete GET /ws -> 101`},
		{name: "an upgrade that is refused", moves: []move{c("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), s(ok2), c(getB), s(okB)}, want: `
			complete GET /ws -> 200 "ok"
			complete GET /b -> 200 "b's"`},
		{name: "CONNECT and HTTP inside", moves: []move{c("CONNECT h:80 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"), c(get), s(ok2)}, want: `
			complete CONNECT h:80 -> 200
			complete GET /a -> 200 "ok"`},
		{name: "CONNECT and TLS inside", moves: []move{c("CONNECT h:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n"), c("\x16\x03\x01\x00\x05hello"), s("\x16\x03\x03\x00\x05hello")}, want: `
			complete CONNECT h:443 -> 200`},
		{name: "CONNECT that is refused", moves: []move{c("CONNECT h:443 HTTP/1.1\r\n\r\n"), s(ok2), c(getB), s(okB)}, want: `
			complete CONNECT h:443 -> 200
			complete GET /b -> 200 "b's"`}, // a 200 to CONNECT is no refusal: see below
		{name: "CONNECT that is refused with 403", moves: []move{c("CONNECT h:443 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"), c(getB), s(okB)}, want: `
			complete CONNECT h:443 -> 403 "no"
			complete GET /b -> 200 "b's"`},
		{name: "a response that begins before the request has ended", moves: []move{c("POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), s(ok2), c("def" + getB), s(okB)}, want: `
			complete POST /p "abcdef" -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "early_response"},
		{name: "a request without an answer", moves: []move{c(get)}, want: `
			request_only GET /a ->`},
		{name: "a response without a request", moves: []move{s(ok2)}, want: `
			response_only -> 200 "ok"`},
		{name: "a request cut in its body by the end of the connection", moves: []move{c("POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), cClose, s(ok2)}, want: `
			partial POST /p "abc" -> 200 "ok"`, anomalies: "short_body"},
		{name: "a chunked body without its last chunk", moves: []move{c(get), s(chunk + "3\r\nabc\r\n"), sClose}, want: `
			partial GET /a -> 200 "abc"`, anomalies: "bad_final_chunk"},
		{name: "a request cut in its head", moves: []move{c("GET /a HTTP/1.1\r\nHost: h\r\nX-Cut: ab")}, end: app.EndCapture, want: `
			partial GET /a ->`},
		{name: "a request cut in its target", moves: []move{c("GET /abc/de")}, end: app.EndCapture, want: `
			partial GET /abc/de ->`},
		{name: "a status line cut in the status", moves: []move{c(get), s("HTTP/1.1 20")}, end: app.EndCapture, want: `
			request_only GET /a ->`},
		{name: "the connection is evicted", end: app.EndEvicted, moves: []move{c(get + getB), s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")}, want: `
			partial GET /a -> 200 "ab"
			request_only GET /b ->`, anomalies: "evicted"},
		{name: "empty lines before messages", moves: []move{c("\r\n\r\n" + get + "\r\n"), s("\r\n" + ok2), c(getB), s(okB)}, want: `
			complete GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "junk_before_response"},
		{name: "101 that nobody asked for is no hand-over", moves: []move{c(get), s("HTTP/1.1 101 ok\r\n\r\nhello")}, want: `
			complete GET /a -> 101
			response_only -> 0 "hello"`, anomalies: "unexpected_body"},
		{name: "a body that the server would not have is left out", moves: []move{c("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"),
			s("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), c(getB), s(okB)}, want: `
			partial POST /a "" -> 417
			complete GET /b -> 200 "b's"`, anomalies: "early_response short_body"},
		{name: "or comes all the same", moves: []move{c("POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
			s("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), c("hello" + getB), s(okB)}, want: `
			complete POST /a "hello" -> 417
			complete GET /b -> 200 "b's"`, anomalies: "early_response"},
		{name: "junk before a response", moves: []move{c(get), s("foobar\r\n" + ok2)}, want: `
			complete GET /a -> 200 "ok"`, anomalies: "junk_before_response"},
		{name: "junk before a request", moves: []move{c("\x00\x01\x02\r\n" + get), s(ok2)}, want: `
			complete GET /a -> 200 "ok"`, anomalies: "junk_before_request"},
		{name: "HTTP/0.9", moves: []move{c("GET /old\r\n"), s("<html>hi</html>"), sClose}, want: `
			complete GET /old -> 0 "<html>hi</html>"`},
		{name: "HTTP/0.9 with a body that begins like a status line", moves: []move{c("GET /old\r\n"), s("HTTP"), s("S is safe"), sClose}, want: `
			complete GET /old -> 0 "HTTPS is safe"`},
		{name: "an HTTP/0.9 request that is answered in HTTP/1.1", moves: []move{c("GET /old\r\n"), s(ok2)}, want: `
			complete GET /old -> 200 "ok"`},
		{name: "a capture that begins inside a response", mid: [2]bool{true, true}, moves: []move{s("tail of something\r\n"), c(getB), s(okB)}, want: `
			complete GET /b -> 200 "b's"`, anomalies: "junk_before_response"},
	})
}

func TestGaps(t *testing.T) {
	long := func(n string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + n + "\r\n\r\n" }
	talksWithAnomalies(t, []talk{
		{name: "inside a body of known length", moves: []move{c(get), s(long("9") + "abc"), sGap(3), s("ghi"), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abcghi"/9 lost[3+3]
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment"},
		{name: "of two reasons, side by side", moves: []move{c(get), s(long("9") + "abc"), sGap(2), sGap(1), {dir: exchange.ToClient, gap: 2, reason: exchange.GapSnaplen}, s("i")}, want: `
			partial GET /a -> 200 "abci"/9 lost[3+3] snaplen[6+2]`, anomalies: "lost_segment snaplen_cut"},
		{name: "to the very end of a body", moves: []move{c(get), s(long("9") + "abc"), sGap(6), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment"},
		{name: "over the end of a body, into the next response", moves: []move{c(get), s(long("9") + "abc"), c(getB), c(getC), sGap(30), s("junk"), s(okC)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			response_only -> 200 "c's"
			request_only GET /b ->
			request_only GET /c ->`, anomalies: "junk_before_response lost_segment resynchronized"},
		{name: "a whole response, of a client that waits for each", moves: []move{c(get), sGap(40), c(getB), s(okB)}, want: `
			request_only GET /a ->
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "a whole response, of a client that pipelines", moves: []move{c(get + getB), sGap(40), s(okB)}, want: `
			response_only -> 200 "b's"
			request_only GET /a ->
			request_only GET /b ->`, anomalies: "resynchronized"},
		{name: "after pipelining became unclear, a request that waited is paired", moves: []move{c(get + getB), sGap(40), s(okB), c(getC), s(okC)}, want: `
			response_only -> 200 "b's"
			request_only GET /a ->
			request_only GET /b ->
			complete GET /c -> 200 "c's"`, anomalies: "lost_segment resynchronized"},
		{name: "a whole request", moves: []move{c(get), s(ok2), cGap(28), s(okB), c(getC), s(okC)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			complete GET /c -> 200 "c's"`, anomalies: "resynchronized"},
		{name: "the first request", moves: []move{cGap(28), s(okB), c(getC), s(okC)}, want: `
			response_only -> 200 "b's"
			complete GET /c -> 200 "c's"`, anomalies: "resynchronized"},
		{name: "a request between pipelined ones", moves: []move{c(get), cGap(28), c(getC), s(ok2), s(okB), s(okC)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			response_only -> 200 "c's"
			request_only GET /c ->`, anomalies: "resynchronized"},
		{name: "the first of two pipelined requests", moves: []move{c(get), s(ok2), cGap(28), c(getC), s(okB), s(okC)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			response_only -> 200 "c's"
			request_only GET /c ->`, anomalies: "resynchronized"},
		{name: "the head of a request that is still to be answered when the next is sent", moves: []move{cGap(5), c("rest of a body").knowing(0),
			c(getC).knowing(0), s(okB), s(okC)}, want: `
			partial -> 200 "b's"
			partial -> 200 "c's"`},
		{name: "the head of a request that was answered when the next is sent", moves: []move{cGap(5), c("rest of a body"),
			s(okB), c(getC), s(okC)}, want: `
			partial -> 200 "b's"
			complete GET /c -> 200 "c's"`, anomalies: "junk_before_request resynchronized"},
		{name: "all but too few bytes of a request that is still to be answered", moves: []move{c(get), s(ok2), c("GE"), cGap(9),
			c(getC).knowing(int64(len(ok2))), s(okB), s(okC)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			response_only -> 200 "c's"
			request_only GET /c ->`, anomalies: "resynchronized"},
		{name: "the response that an interim one announced, behind the beginning of a line", moves: []move{c(get + getB), s("HTTP/1.1 100 Continue\r\n\r\nHT"),
			sGap(40), s(okB)}, want: `
			response_only -> 200 "b's"
			request_only GET /a ->
			request_only GET /b ->`, anomalies: "junk_before_response resynchronized"},
		{name: "a request that is missing and answered, while the next is under way", moves: []move{c(get), s(ok2), cGap(28),
			c(getC).knowing(int64(len(ok2 + okB))), s(okB).knowing(56), s(okC)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			complete GET /c -> 200 "c's"`, anomalies: "resynchronized"},
		{name: "a response behind a hole, while a missing request may be the one it answers", moves: []move{c(get).knowing(0), cGap(28), sGap(40),
			s(okB).knowing(int64(len(get)) + 28)}, want: `
			response_only -> 200 "b's"
			request_only GET /a ->`, anomalies: "resynchronized"},
		{name: "a response behind a hole, sent before the missing request came", moves: []move{c(get).knowing(0), cGap(28), sGap(40),
			s(okB).knowing(int64(len(get)))}, want: `
			complete GET /a -> 200 "b's"`, anomalies: "resynchronized"},
		{name: "a response behind a hole, and bytes of the client that have not come yet", moves: []move{c(get).knowing(0), sGap(40),
			s(okB).knowing(int64(len(get)) + 28)}, want: `
			response_only -> 200 "b's"
			request_only GET /a ->`, anomalies: "resynchronized"},
		{name: "requests behind one that is missing, and its body", moves: []move{c("POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc").knowing(0),
			cGap(60), c(getC).knowing(0), sGap(40), s(okB).knowing(1000)}, want: `
			partial -> 200 "b's"
			partial POST /p "abc"/9 lost[3+6] ->`, anomalies: "lost_segment resynchronized"},
		{name: "a response that may be to a request behind one whose head is cut", moves: []move{c("GET /a HTTP/1.1\r\nHo").knowing(0), cGap(60), sGap(40),
			s(okB).knowing(77)}, want: `
			response_only -> 200 "b's"
			partial GET /a ->`, anomalies: "lost_segment resynchronized"},
		{name: "a response to nothing known, with the next where its body would be", moves: []move{s(long("30") + okB + okC)}, want: `
			response_only -> 200
			response_only -> 200 "b's"
			response_only -> 200 "c's"`},
		{name: "a response to nothing known, and a client that does not wait for its body", moves: []move{s(long("30")), c(getB), s(okB)}, want: `
			response_only -> 200
			complete GET /b -> 200 "b's"`},
		{name: "a response to nothing known that holds a response", moves: []move{s("HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: " +
			strconv.Itoa(len(okB)) + "\r\n\r\n" + okB)}, want: `
			response_only -> 200 ` + strconv.Quote(okB) + ``},
		{name: "the end of a request's body and no more", moves: []move{c("POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), cGap(3), s(ok2), c(getB), s(okB)}, want: `
			partial POST /p "abc"/6 lost[3+3] -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment"},
		{name: "inside a chunk", moves: []move{c(get), s(chunk + "9\r\nabc"), sGap(3), s("ghi\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abcghi"/9 lost[3+3]
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment"},
		{name: "to the very end of a chunk", moves: []move{c(get), s(chunk + "9\r\nabc"), sGap(6), s("\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment"},
		{name: "over the end of a chunk", moves: []move{c(get), s(chunk + "9\r\nabc"), sGap(20), s("xyz\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			complete GET /b -> 200 "b's"`, anomalies: "junk_before_response lost_segment resynchronized"},
		{name: "in a chunk line", moves: []move{c(get), s(chunk + "3\r\nabc\r\n1"), sGap(20), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "in a trailer", moves: []move{c(get), s(chunk + "3\r\nabc\r\n0\r\nX: 1\r\n"), sGap(20), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc" +X:1
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "in a head", moves: []move{c("GET /a HTTP/1.1\r\nHo"), cGap(9), s(ok2), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "in the head of a HEAD request", moves: []move{c("HEAD /a HTTP/1.1\r\nHo"), cGap(9), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), c(getB), s(okB)}, want: `
			partial HEAD /a -> 200
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "in the head of an interim response", moves: []move{c(get), s("HTTP/1.1 103 Early Hints\r\nLi"), sGap(9), s(ok2)}, want: `
			partial GET /a -> 103, 200 "ok"`, anomalies: "lost_segment resynchronized"},
		{name: "the head of a response, and its body is there", moves: []move{c(get), sGap(40), s("body of it"), c(getB), s(okB)}, want: `
			partial GET /a ->
			complete GET /b -> 200 "b's"`, anomalies: "junk_before_response lost_segment resynchronized"},
		{name: "between messages, and too small for one", moves: []move{c(get), s(ok2), cGap(2), c(getB), s(okB)}, want: `
			complete GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "resynchronized"},
		{name: "of unknown length in a body", moves: []move{c(get), s(long("90") + "abc"), sGap(-1), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"/90 lost[3+87]
			complete GET /b -> 200 "b's"`, anomalies: "lost_segment resynchronized"},
		{name: "in a body that ends with the connection", moves: []move{c(get), s("HTTP/1.0 200 OK\r\n\r\nabc"), sGap(3), s("ghi"), sClose}, want: `
			partial GET /a -> 200 "abcghi"/9 lost[3+3]`, anomalies: "lost_segment"},
		{name: "two holes that touch are one", moves: []move{c(get), s(long("9") + "abc"), sGap(1), sGap(2), s("ghi")}, want: `
			partial GET /a -> 200 "abcghi"/9 lost[3+3]`, anomalies: "lost_segment"},
		{name: "a piece of a start line is not glued to what follows a gap", moves: []move{c(get), s(ok2), cGap(20), c("GET"), cGap(30), c(" /x HTTP/1.1\r\n\r\n"), s(ok2), c(getB), s(okB)}, want: `
			complete GET /a -> 200 "ok"
			partial -> 200 "ok"
			complete GET /b -> 200 "b's"`, anomalies: "junk_before_request resynchronized"},
	})
}

func TestReasonsOfGaps(t *testing.T) {
	for reason, anomaly := range map[string]exchange.Anomaly{
		exchange.GapLost: exchange.AnomalyLostSegment, exchange.GapSnaplen: exchange.AnomalySnaplenCut,
		exchange.GapMirrorTruncated: exchange.AnomalyMirrorTruncated,
	} {
		for place, head := range map[string]string{"head": "HTTP/1.1 200 OK\r\nHo", "body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"} {
			p := newPlayer()
			p.play(c(get), s(head), move{dir: exchange.ToClient, gap: 3, reason: reason})
			p.end(t, app.EndCapture)
			if len(p.pairs) != 1 || !p.pairs[0].Anomalies.Has(anomaly) || p.pairs[0].State != exchange.Partial {
				t.Errorf("%s in the %s: %s%s", reason, place, lines(p.pairs), anomalies(p.pairs))
			}
		}
	}
}

func TestProtocol(t *testing.T) {
	for _, tt := range []struct {
		name, request, response, want string
	}{
		{"the response's version counts", "HTTP/1.1", "HTTP/1.0", "HTTP/1.0"},
		{"a response without one", "HTTP/1.0", "", "HTTP/1.0"},
		{"a request without a version is answered with a status line", "HTTP/0.9", "HTTP/1.1", "HTTP/0.9"},
		{"a version that is none", "HTTP/1.1", "HTTP/1.7", "HTTP/1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := exchange.Request{Message: exchange.Message{Present: true, Version: tt.request}}
			r := exchange.Response{Message: exchange.Message{Present: tt.response != "", Version: tt.response}}
			if got := protocol(&q, &r); got != tt.want {
				t.Errorf("protocol is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestInterimResponses(t *testing.T) {
	p := newPlayer()
	p.play(c(get), s("HTTP/1.1 100 Continue\r\n\r\n"), s("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"), s(ok2))
	p.end(t, app.EndFIN)
	if got := lines(p.pairs); got != "complete GET /a -> 100, 103, 200 \"ok\"\n" {
		t.Fatalf("pairs are\n%s", got)
	}
	for i, one := range p.pairs[0].Response.Interim {
		if want := int64(i+2) * 1000; one.TimeNS != want {
			t.Errorf("interim response %d came at %d, want %d", i, one.TimeNS, want)
		}
	}
	t.Run("without a request, and nothing behind them", func(t *testing.T) {
		p := newPlayer()
		p.play(s("HTTP/1.1 100 Continue\r\n\r\n"), s("HTTP/1.1 103 Early Hints\r\n\r\n"))
		p.end(t, app.EndCapture)
		if got := lines(p.pairs); got != "partial -> 100, 103, 103\n" {
			t.Errorf("pairs are\n%s", got)
		}
	})
}

// TestBodiesThatEndAtTheirLastChunk: a last chunk of which only the end is cut leaves a
// whole body; one that may be longer does not.
func TestBodiesThatEndAtTheirLastChunk(t *testing.T) {
	for last, want := range map[string]string{"0": "complete", "0\r": "complete", "0\r\n": "complete", "": "partial", "1": "partial", "00": "complete"} {
		p := newPlayer()
		p.play(c(get), s(chunk+"3\r\nabc\r\n"+last), sClose)
		p.end(t, app.EndFIN)
		if got := lines(p.pairs); got != want+" GET /a -> 200 \"abc\"\n" || anomalies(p.pairs[:1]) == "" {
			t.Errorf("last chunk %q: %s with %q, want it %s and a bad final chunk", last, got, anomalies(p.pairs), want)
		}
	}
}

// TestReading: what lies before the message that is being read is over.
func TestReading(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moves []move
		want  int64
	}{
		{"nothing has come", nil, math.MaxInt64},
		{"between two requests", []move{c(get)}, math.MaxInt64},
		{"inside the head of the second", []move{c(get), s(ok2), c("GET /b HTTP/1.1\r\nX: ")}, int64(len(get))},
		{"inside the body of the second", []move{c(get), s(ok2), c("POST /b HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")}, int64(len(get))},
		{"behind a hole, where nothing is sure", []move{c(get), s(ok2), cGap(40), c("what is this")}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			p.play(tt.moves...)
			if got := p.conn.Reading(exchange.ToServer); got != tt.want {
				t.Errorf("Reading = %d, want %d", got, tt.want)
			}
		})
	}
}

// TestEvictedExchanges: all that was under way when memory ran out says so.
func TestEvictedExchanges(t *testing.T) {
	for _, tt := range []struct {
		name  string
		moves []move
		want  string
	}{
		{"inside a response", []move{c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")}, `partial GET /a -> 200 "abc"`},
		{"inside a request", []move{c("POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")}, `partial POST /a "abc" ->`},
		{"before a response", []move{c(get)}, `request_only GET /a ->`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer()
			p.play(tt.moves...)
			p.end(t, app.EndEvicted)
			if got := lines(p.pairs); got != tt.want+"\n" {
				t.Errorf("pairs are\n%swant\n%s", got, tt.want)
			}
			if got := anomalies(p.pairs); got != "evicted" {
				t.Errorf("anomalies are %q, want evicted", got)
			}
		})
	}
}

func TestPackets(t *testing.T) {
	p := newPlayer()
	p.n = 9
	p.play(c("GET /a HT"), c("TP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab"))
	p.n = 20
	p.play(s("cd")) // came out of order
	p.n = 14
	p.play(s("ef"))
	p.end(t, app.EndFIN)
	q := p.pairs[0]
	if got := q.Response.Packets; len(got) != 3 || got[0] != 12 || got[1] != 15 || got[2] != 21 {
		t.Errorf("response packets are %d", got)
	}
	if q.FirstPacket != 10 || q.LastPacket != 21 || q.Response.TimeNS != 12000 || q.Response.EndTimeNS != 21000 ||
		q.LatencyNS != 1000 || q.DurationNS != 11000 {
		t.Errorf("first %d, last %d, times %d to %d, latency %d, duration %d", q.FirstPacket, q.LastPacket,
			q.Response.TimeNS, q.Response.EndTimeNS, q.LatencyNS, q.DurationNS)
	}
}

func TestOpenExchangesAreBounded(t *testing.T) {
	p := newPlayer()
	p.env.Limits.OpenExchanges = 3
	p.play(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"), c(strings.Repeat(getB, 5)), s("k"))
	p.end(t, app.EndFIN)
	const wanted = `
		request_only GET /b ->
		request_only GET /b ->
		request_only GET /b ->
		complete GET /a -> 200 "ok"
		request_only GET /b ->
		request_only GET /b ->`
	if got := lines(p.pairs); got != want(wanted) {
		t.Errorf("pairs are\n%swant\n%s", got, want(wanted))
	}
	if a := anomalies(p.pairs); a != "open_exchange_limit" {
		t.Errorf("anomalies are %q", a)
	}
}

func TestManyLostResponses(t *testing.T) {
	p := newPlayer()
	p.env.Limits.OpenExchanges = 1000
	var off int64
	for range 500 { // each sent with knowledge of a little more
		p.play(c(get).knowing(off))
		off += 10
	}
	p.play(sGap(off), c(getB), s(okB))
	p.end(t, app.EndFIN)
	if n := len(p.pairs); n != 501 || line(p.pairs[500]) != `complete GET /b -> 200 "b's"` {
		t.Errorf("%d pairs, the last %s", n, line(p.pairs[n-1]))
	}
}
