package decap

// stepIPIP notes IP directly inside IP (RFC 2003, RFC 4213, RFC 2473).
func stepIPIP(s *state, b []byte) (Proto, []byte, error) {
	name, next := "ipip", protoIPv4
	switch inner6 := s.proto == IPProto(41); {
	case inner6 && s.v6:
		name, next = "6in6", protoIPv6
	case inner6:
		name, next = "6in4", protoIPv6
	case s.v6:
		name = "4in6"
	}
	return next, b, s.tunnel(name, -1, false)
}
