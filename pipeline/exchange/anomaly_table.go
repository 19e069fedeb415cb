package exchange

// The order is alphabetical, so that sets list themselves sorted; the values are
// never written to a file.
const (
	AnomalyAuthorityMismatch Anomaly = iota
	AnomalyBadChecksum
	AnomalyBadChunkLine
	AnomalyBadCL
	AnomalyBadFinalChunk
	AnomalyBadFrame
	AnomalyBadGRPC
	AnomalyBadHeaderLine
	AnomalyBadPseudoHeader
	AnomalyBadRequestLine
	AnomalyBadStatus
	AnomalyBadStatusLine
	AnomalyBadVersion
	AnomalyBareCREOL
	AnomalyBareLFChunkExt
	AnomalyBareLFEOL
	AnomalyBodyLimit
	AnomalyCEMismatch
	AnomalyChunkedOldProto
	AnomalyCLMismatch
	AnomalyConnectionHeader
	AnomalyDecodeError
	AnomalyDecodeLimit
	AnomalyDupCL
	AnomalyEarlyResponse
	AnomalyEscapedBytes
	AnomalyEvicted
	AnomalyGoAway
	AnomalyGzipBadTrailer
	AnomalyHeadLimit
	AnomalyHeaderListLimit
	AnomalyHPACKError
	AnomalyHPACKUnknown
	AnomalyInterleavedEviction
	AnomalyJunkBeforeRequest
	AnomalyJunkBeforeResponse
	AnomalyKeepaliveProbe
	AnomalyLengthExceedsCapture
	AnomalyLostSegment
	AnomalyMidstream
	AnomalyMirrorTruncated
	AnomalyMultiTE
	AnomalyNonstdEOL
	AnomalyObsFold
	AnomalyOneSided
	AnomalyOpenExchangeLimit
	AnomalyOutOfOrderLimit
	AnomalyOutOfWindow
	AnomalyOverlapConflict
	AnomalyPortReuse
	AnomalyPushed
	AnomalyResynchronized
	AnomalyRetransmissionDiffers
	AnomalyRST
	AnomalyShortBody
	AnomalySnaplenCut
	AnomalyStreamLimit
	AnomalyStreamReset
	AnomalyTEAndCL
	AnomalyUnexpectedBody
	AnomalyUnknownTE
	AnomalyUrgentData
	AnomalyWSBeforeColon
	AnomalyWSBeforeHeader
)

var anomalyTable = [...]struct{ name, meaning string }{
	AnomalyAuthorityMismatch:     {"authority_mismatch", "HTTP/2: :authority and Host name different hosts"},
	AnomalyBadChecksum:           {"bad_checksum", "an IPv4, TCP or UDP checksum does not fit; the packet is used all the same (offloads leave it unset)"},
	AnomalyBadChunkLine:          {"bad_chunk_line", "a chunk size line has junk, odd white space or no size; read as leniently as a browser would"},
	AnomalyBadCL:                 {"bad_cl", "a Content-Length is not one decimal number"},
	AnomalyBadFinalChunk:         {"bad_final_chunk", "the last chunk or its trailer is malformed or missing"},
	AnomalyBadFrame:              {"bad_frame", "HTTP/2: frames that break the protocol were passed over on this connection, before this pair was complete"},
	AnomalyBadGRPC:               {"bad_grpc", "the body of a gRPC exchange does not divide into length-prefixed messages"},
	AnomalyBadHeaderLine:         {"bad_header_line", "a header line has no colon or bytes that a header may not hold"},
	AnomalyBadPseudoHeader:       {"bad_pseudo_header", "HTTP/2: a pseudo-header is missing, repeated, unknown or out of place"},
	AnomalyBadRequestLine:        {"bad_request_line", "a request line is not method, target, version divided by single spaces"},
	AnomalyBadStatus:             {"bad_status", "a status code is not three digits from 100 to 599"},
	AnomalyBadStatusLine:         {"bad_status_line", "a status line is malformed"},
	AnomalyBadVersion:            {"bad_version", "the version is not HTTP/1.0 or HTTP/1.1"},
	AnomalyBareCREOL:             {"bare_cr_eol", "a line of the head ends in CR alone"},
	AnomalyBareLFChunkExt:        {"bare_lf_chunk_ext", "a chunk line or its extension ends in LF alone"},
	AnomalyBareLFEOL:             {"bare_lf_eol", "a line of the head ends in LF alone"},
	AnomalyBodyLimit:             {"body_limit", "the body is longer than what is stored of it; size and hash are of the whole"},
	AnomalyCEMismatch:            {"ce_mismatch", "Content-Encoding and the body disagree"},
	AnomalyChunkedOldProto:       {"chunked_old_proto", "chunked coding under HTTP/1.0"},
	AnomalyCLMismatch:            {"cl_mismatch", "HTTP/2: Content-Length is not the length of the body"},
	AnomalyConnectionHeader:      {"connection_header", "HTTP/2: a field that HTTP/2 forbids, such as Transfer-Encoding or Connection"},
	AnomalyDecodeError:           {"decode_error", "content decoding failed; the body holds what was decoded"},
	AnomalyDecodeLimit:           {"decode_limit", "content decoding stopped at a limit; the body is the coded original"},
	AnomalyDupCL:                 {"dup_cl", "more than one Content-Length"},
	AnomalyEarlyResponse:         {"early_response", "the response begins before the request has ended"},
	AnomalyEscapedBytes:          {"escaped_bytes", "a string held bytes that are not UTF-8; they are written \\xNN"},
	AnomalyEvicted:               {"evicted", "the connection's state was dropped to keep the memory limit"},
	AnomalyGoAway:                {"goaway", "HTTP/2: GOAWAY said that the stream was or may have been left undone"},
	AnomalyGzipBadTrailer:        {"gzip_bad_trailer", "checksum or length at the end of a gzip stream is wrong or missing"},
	AnomalyHeadLimit:             {"head_limit", "the head is longer than the limit; the rest was not stored"},
	AnomalyHeaderListLimit:       {"header_list_limit", "HTTP/2: the decoded header list is larger than the limit; the rest was not stored"},
	AnomalyHPACKError:            {"hpack_error", "HTTP/2: a header block cannot be decoded"},
	AnomalyHPACKUnknown:          {"hpack_unknown", "HTTP/2: a field refers to one that the capture does not hold; it is shown as ?idx=N"},
	AnomalyInterleavedEviction:   {"interleaved_eviction", "the connection continues one that was evicted"},
	AnomalyJunkBeforeRequest:     {"junk_before_request", "bytes before the request that belong to no message"},
	AnomalyJunkBeforeResponse:    {"junk_before_response", "bytes before the status line that belong to no message"},
	AnomalyKeepaliveProbe:        {"keepalive_probe", "a TCP keep-alive probe repeated a byte"},
	AnomalyLengthExceedsCapture:  {"length_exceeds_capture", "a length field of a packet is larger than the packet"},
	AnomalyLostSegment:           {"lost_segment", "bytes of the connection are missing from the capture"},
	AnomalyMidstream:             {"midstream", "the capture has no start of the connection"},
	AnomalyMirrorTruncated:       {"mirror_truncated", "a packet was cut by the mirror: inner lengths say more bytes than are there"},
	AnomalyMultiTE:               {"multi_te", "more than one Transfer-Encoding"},
	AnomalyNonstdEOL:             {"nonstd_eol", "the head is divided by neither CRLF nor LF"},
	AnomalyObsFold:               {"obs_fold", "a header is folded over lines"},
	AnomalyOneSided:              {"one_sided", "only one direction of the connection is in the capture"},
	AnomalyOpenExchangeLimit:     {"open_exchange_limit", "more requests were open than the limit; the oldest was written unanswered"},
	AnomalyOutOfOrderLimit:       {"out_of_order_limit", "out-of-order data exceeded its limit; a hole was given up"},
	AnomalyOutOfWindow:           {"out_of_window", "TCP data far outside the window was left out"},
	AnomalyOverlapConflict:       {"overlap_conflict", "two copies of the same stream bytes differ"},
	AnomalyPortReuse:             {"port_reuse", "the same addresses and ports served a later connection"},
	AnomalyPushed:                {"pushed", "HTTP/2: the server announced the request and answered it unasked (PUSH_PROMISE)"},
	AnomalyResynchronized:        {"resynchronized", "after a gap, reading went on at the next message"},
	AnomalyRetransmissionDiffers: {"retransmission_differs", "a retransmission carries other bytes than the first copy"},
	AnomalyRST:                   {"rst", "the connection was reset before the message ended"},
	AnomalyShortBody:             {"short_body", "the connection ended before the announced length"},
	AnomalySnaplenCut:            {"snaplen_cut", "packets were cut by the snap length"},
	AnomalyStreamLimit:           {"stream_limit", "HTTP/2: more streams were open than the limit; the oldest was written as it was"},
	AnomalyStreamReset:           {"stream_reset", "HTTP/2: the stream was ended by RST_STREAM"},
	AnomalyTEAndCL:               {"te_and_cl", "Transfer-Encoding and Content-Length both present"},
	AnomalyUnexpectedBody:        {"unexpected_body", "body bytes where the message may not have a body"},
	AnomalyUnknownTE:             {"unknown_te", "a transfer coding that is not known"},
	AnomalyUrgentData:            {"urgent_data", "TCP urgent data inside the stream"},
	AnomalyWSBeforeColon:         {"ws_before_colon", "white space between header name and colon"},
	AnomalyWSBeforeHeader:        {"ws_before_header", "white space before the first header"},
}
