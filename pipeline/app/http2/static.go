package http2

// staticTable is RFC 7541, appendix A: index 1 is staticTable[0].
var staticTable = [...]entry{
	st(":authority", ""), st(":method", "GET"), st(":method", "POST"), st(":path", "/"), st(":path", "/index.html"),
	st(":scheme", "http"), st(":scheme", "https"), st(":status", "200"), st(":status", "204"), st(":status", "206"),
	st(":status", "304"), st(":status", "400"), st(":status", "404"), st(":status", "500"), st("accept-charset", ""),
	st("accept-encoding", "gzip, deflate"), st("accept-language", ""), st("accept-ranges", ""), st("accept", ""),
	st("access-control-allow-origin", ""), st("age", ""), st("allow", ""), st("authorization", ""), st("cache-control", ""),
	st("content-disposition", ""), st("content-encoding", ""), st("content-language", ""), st("content-length", ""),
	st("content-location", ""), st("content-range", ""), st("content-type", ""), st("cookie", ""), st("date", ""),
	st("etag", ""), st("expect", ""), st("expires", ""), st("from", ""), st("host", ""), st("if-match", ""),
	st("if-modified-since", ""), st("if-none-match", ""), st("if-range", ""), st("if-unmodified-since", ""),
	st("last-modified", ""), st("link", ""), st("location", ""), st("max-forwards", ""), st("proxy-authenticate", ""),
	st("proxy-authorization", ""), st("range", ""), st("referer", ""), st("refresh", ""), st("retry-after", ""),
	st("server", ""), st("set-cookie", ""), st("strict-transport-security", ""), st("transfer-encoding", ""),
	st("user-agent", ""), st("vary", ""), st("via", ""), st("www-authenticate", ""),
}

// dynamicFrom is the index of the newest dynamic entry.
const dynamicFrom = len(staticTable) + 1

func st(name, value string) entry {
	return entry{name: name, value: value, nameLen: int32(len(name)), valueLen: int32(len(value))}
}
