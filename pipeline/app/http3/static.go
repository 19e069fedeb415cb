package http3

import "recap/pipeline/app/http2"

// staticTable is RFC 9204, appendix A, by index.
var staticTable = [...]field{
	st(":authority", ""), st(":path", "/"), st("age", "0"), st("content-disposition", ""), st("content-length", "0"),
	st("cookie", ""), st("date", ""), st("etag", ""), st("if-modified-since", ""), st("if-none-match", ""),
	st("last-modified", ""), st("link", ""), st("location", ""), st("referer", ""), st("set-cookie", ""),
	st(":method", "CONNECT"), st(":method", "DELETE"), st(":method", "GET"), st(":method", "HEAD"), st(":method", "OPTIONS"),
	st(":method", "POST"), st(":method", "PUT"), st(":scheme", "http"), st(":scheme", "https"), st(":status", "103"),
	st(":status", "200"), st(":status", "304"), st(":status", "404"), st(":status", "503"), st("accept", "*/*"),
	st("accept", "application/dns-message"), st("accept-encoding", "gzip, deflate, br"), st("accept-ranges", "bytes"),
	st("access-control-allow-headers", "cache-control"), st("access-control-allow-headers", "content-type"),
	st("access-control-allow-origin", "*"), st("cache-control", "max-age=0"), st("cache-control", "max-age=2592000"),
	st("cache-control", "max-age=604800"), st("cache-control", "no-cache"), st("cache-control", "no-store"),
	st("cache-control", "public, max-age=31536000"), st("content-encoding", "br"), st("content-encoding", "gzip"),
	st("content-type", "application/dns-message"), st("content-type", "application/javascript"), st("content-type", "application/json"),
	st("content-type", "application/x-www-form-urlencoded"), st("content-type", "image/gif"), st("content-type", "image/jpeg"),
	st("content-type", "image/png"), st("content-type", "text/css"), st("content-type", "text/html; charset=utf-8"),
	st("content-type", "text/plain"), st("content-type", "text/plain;charset=utf-8"), st("range", "bytes=0-"),
	st("strict-transport-security", "max-age=31536000"), st("strict-transport-security", "max-age=31536000; includesubdomains"),
	st("strict-transport-security", "max-age=31536000; includesubdomains; preload"), st("vary", "accept-encoding"), st("vary", "origin"),
	st("x-content-type-options", "nosniff"), st("x-xss-protection", "1; mode=block"), st(":status", "100"), st(":status", "204"),
	st(":status", "206"), st(":status", "302"), st(":status", "400"), st(":status", "403"), st(":status", "421"), st(":status", "425"),
	st(":status", "500"), st("accept-language", ""), st("access-control-allow-credentials", "FALSE"),
	st("access-control-allow-credentials", "TRUE"), st("access-control-allow-headers", "*"), st("access-control-allow-methods", "get"),
	st("access-control-allow-methods", "get, post, options"), st("access-control-allow-methods", "options"),
	st("access-control-expose-headers", "content-length"), st("access-control-request-headers", "content-type"),
	st("access-control-request-method", "get"), st("access-control-request-method", "post"), st("alt-svc", "clear"),
	st("authorization", ""), st("content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"),
	st("early-data", "1"), st("expect-ct", ""), st("forwarded", ""), st("if-range", ""), st("origin", ""), st("purpose", "prefetch"),
	st("server", ""), st("timing-allow-origin", "*"), st("upgrade-insecure-requests", "1"), st("user-agent", ""),
	st("x-forwarded-for", ""), st("x-frame-options", "deny"), st("x-frame-options", "sameorigin"),
}

func st(name, value string) field { return field{http2.Known(name), http2.Known(value)} }
