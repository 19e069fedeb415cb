package http1

import (
	"strings"

	"recap/pipeline/app/grpc"
	"recap/pipeline/exchange"
)

// beginGRPC makes ready for the messages of gRPC-Web in a body that begins.
func (c *Conn) beginGRPC(s *side) {
	s.grpc = nil
	form := grpc.FormOf(s.msg.ContentType)
	if form == grpc.None || s.msg.ContentEncoding != "" || c.env.Message == nil {
		return
	}
	b := grpc.Body{Pair: s.pair, Dir: exchange.ToServer, Form: form, Count: &s.meta.messages}
	if s.msg == &s.pair.Response.Message {
		b.Dir = exchange.ToClient
	}
	for _, f := range s.msg.Headers {
		if strings.EqualFold(f.Name, "grpc-encoding") {
			b.Encoding = f.Value
		}
	}
	s.grpc = grpc.NewReader(c.env, c.conn, b)
}

// endGRPC gives out what the end of the body leaves of a message.
func (s *side) endGRPC() {
	if s.grpc != nil {
		s.grpc.End(s.newest())
		s.grpc = nil
	}
}
