package http1

import (
	"testing"

	"recap/reader/packet"
)

func TestQuotedMessagesBehindHoles(t *testing.T) {
	const (
		quotedC = "GET /quoted HTTP/1.1\r\nHost: q\r\n\r\n"
		quotedS = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nq"
		post    = "POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"
	)
	talks(t, []talk{
		{name: "a request in a body, while nothing is heard of the server",
			moves: []move{c(post).knowing(0), cGap(20), c(quotedC).knowing(0), s(ok2), c(getB), s(okB)}, want: `
			partial POST /p "abc"/9 lost[3+6] -> 200 "ok"
			complete GET /b -> 200 "b's"`},
		{name: "a request in a body, sent with a byte of the response, is believed",
			moves: []move{c(post).knowing(0), cGap(20), s(ok2), c(getB), s(okB)}, want: `
			partial POST /p "abc"/9 lost[3+6] -> 200 "ok"
			complete GET /b -> 200 "b's"`},
		{name: "a response in a body, while nothing more is heard of the client",
			moves: []move{c(get), s(chunk + "9\r\nabc"), sGap(20), s(quotedS), c(getB), s(okB)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			complete GET /b -> 200 "b's"`},
		{name: "a response in a body of which only the end is left, in the packet of that end",
			moves: []move{c(get), sGap(60), s("xyz\r\n" + quotedS), c(getB), s(okB)}, want: `
			partial GET /a ->
			complete GET /b -> 200 "b's"`},
		{name: "a response in a body, in a packet of which it is not known what its sender had heard",
			moves: []move{c(get), sGap(60), s("xyz\r\n" + quotedS).knowing(packet.NoOffset), c(getB), s(okB)}, want: `
			partial GET /a ->
			complete GET /b -> 200 "b's"`},
		{name: "a response that stands in a packet of its own, of which it is not known what its sender had heard",
			moves: []move{c(get), sGap(60), s(okB).knowing(packet.NoOffset)}, want: `
			complete GET /a -> 200 "b's"`},
		{name: "a response that another waiting request may have got",
			moves: []move{c(get), c(getB).knowing(1), s(chunk + "9\r\nabc"), sGap(20), s(okB)}, want: `
			partial GET /a -> 200 "abc"/9 lost[3+6]
			complete GET /b -> 200 "b's"`},
		{name: "requests of a client that was seen to pipeline",
			moves: []move{c(get + getB).knowing(0), s(ok2), s(okB), c(post), cGap(20), c(getC).knowing(0)}, want: `
			complete GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"
			partial POST /p "abc"/9 lost[3+6] ->
			request_only GET /c ->`},
		{name: "a request behind a hole over the end of a known length, sent without an answer: the client pipelines",
			moves: []move{c("POST /p HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc").knowing(0), cGap(40), c(getC).knowing(0)}, want: `
			partial POST /p "abc"/9 lost[3+6] ->
			request_only GET /c ->`},
		{name: "a request behind the rest of a head of GET, which has no body",
			moves: []move{c("GET /a HTTP/1.1\r\nHo").knowing(0), cGap(9), c("x: y\r\n\r\n" + getB).knowing(0)}, want: `
			partial GET /a ->
			request_only GET /b ->`},
		{name: "a response behind the rest of a head of 304, which has no body",
			moves: []move{s("HTTP/1.1 304 R\r\nX: y\r\nZ").knowing(9), sGap(9), s("x: y\r\n\r\n" + okB).knowing(9)}, want: `
			partial -> 304
			response_only -> 200 "b's"`},
		{name: "a request behind the last chunk of a body",
			moves: []move{c(post).knowing(0), cGap(9), c("xyz\r\n0\r\n\r\n" + getB).knowing(0)}, want: `
			partial POST /p "abc"/9 lost[3+6] ->
			request_only GET /b ->`},
		{name: "a request in the body of another whose cut head tells the length",
			moves: []move{c("POST /p HTTP/1.1\r\nContent-Length: 99\r\nHo").knowing(0), cGap(9), s("HTTP/1.1 100 Continue\r\n\r\n"), c(quotedC), s(ok2)}, want: `
			partial POST /p -> 100, 200 "ok"`},
		{name: "a response behind an interim one that is cut",
			moves: []move{c(get), s("HTTP/1.1 103 Early Hints\r\nLi"), sGap(9), s("a\r\n\r\n"), s(ok2)}, want: `
			partial GET /a -> 103, 200 "ok"`},
		{name: "a response in the rest of a body that began before the capture", mid: [2]bool{true, true},
			moves: []move{s("tail\r\n" + quotedS), s(quotedS), c(getB), s(okB)}, want: `
			complete GET /b -> 200 "b's"`},
		{name: "a response at the beginning of the body of one to nothing known",
			moves: []move{s("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"), s(quotedS), s("and so on to the end.")}, want: `
			response_only -> 200 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nqand so on to the end."`},
	})
}
