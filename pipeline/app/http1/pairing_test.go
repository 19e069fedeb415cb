package http1

import (
	"testing"
)

func TestPairingBehindHoles(t *testing.T) {
	const (
		restOfHead = "x-rest: 1\r\n\r\n"
		restOfGet  = "ET /lost HTTP/1.1\r\nHost: h\r\n\r\n"
		headed     = "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"
	)
	talks(t, []talk{
		{name: "a response to a request of which a short hole took the beginning",
			moves: []move{c(get), sGap(20), s(restOfHead), cGap(1), c(restOfGet), s(okB)}, want: `
			partial -> 200 "b's"
			partial GET /a ->`},
		{name: "a request of which a short hole took the beginning, between two that are whole",
			moves: []move{c(get), sGap(20), s(restOfHead), cGap(1), c(restOfGet), s(ok2), c(getB), s(okB)}, want: `
			partial -> 200 "ok"
			partial GET /a ->
			complete GET /b -> 200 "b's"`},
		{name: "a response to HEAD, if the next request is sent when its head has come",
			moves: []move{cGap(1), c("EAD / HTTP/1.1\r\n\r\n"), s(headed), c(getB), s(okB)}, want: `
			partial -> 200
			complete GET /b -> 200 "b's"`},
		{name: "a response to a missing HEAD that announces chunks",
			moves: []move{cGap(40), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), c(getB), s(okB)}, want: `
			response_only -> 200
			complete GET /b -> 200 "b's"`},
		{name: "a response to a missing GET in chunks",
			moves: []move{cGap(40), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), s("2\r\nok\r\n0\r\n\r\n"), c(getB), s(okB)}, want: `
			response_only -> 200 "ok"
			complete GET /b -> 200 "b's"`},
		{name: "a response sent before the newest request had come",
			moves: []move{c(get), sGap(20), s(restOfHead).knowing(9), c(getB), s(ok2).knowing(int64(len(get)))}, want: `
			partial GET /a -> 200 "ok"
			request_only GET /b ->`},
		{name: "a response where the client sends a request for each response, and others wait",
			moves: []move{c(get + getB).knowing(0), s(ok2), c(getC), sGap(9), s("x\r\n" + okB)}, want: `
			complete GET /a -> 200 "ok"
			response_only -> 200 "b's"
			request_only GET /b ->
			request_only GET /c ->`},
		{name: "the one request that can still be meant, where the client pipelines",
			moves: []move{c(get + getB).knowing(0), s(ok2), sGap(9), s("x\r\n" + okB)}, want: `
			complete GET /a -> 200 "ok"
			complete GET /b -> 200 "b's"`},
		{name: "a response while requests from before the capture wait", mid: [2]bool{true, true},
			moves: []move{c(get).knowing(0), s(ok2).knowing(0), c(getB).knowing(0), s(okB)}, want: `
			response_only -> 200 "ok"
			response_only -> 200 "b's"
			request_only GET /a ->
			request_only GET /b ->`},
		{name: "a request line that is cut in its version",
			moves: []move{c("GET /a HTT"), cGap(60), s(ok2)}, want: `
			partial GET /a -> 200 "ok"`},
		{name: "a request line that is cut in its target",
			moves: []move{c("GET /aHTT"), cGap(60), s(ok2)}, want: `
			partial GET /aHTT -> 200 "ok"`},
	})
}
