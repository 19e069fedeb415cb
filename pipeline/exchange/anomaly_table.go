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
	AnomalyBadHeadEnd
	AnomalyBadHeaderLine
	AnomalyBadPseudoHeader
	AnomalyBadRequestLine
	AnomalyBadStatus
	AnomalyBadStatusLine
	AnomalyBadVersion
	AnomalyBareCREOL
	AnomalyBareCRValue
	AnomalyBareLFChunkExt
	AnomalyBareLFEOL
	AnomalyBodyLimit
	AnomalyCEMismatch
	AnomalyChunkExtension
	AnomalyChunkSizeZeros
	AnomalyChunkedOldProto
	AnomalyCLMismatch
	AnomalyConnectionHeader
	AnomalyContinuationFlood
	AnomalyDecodeError
	AnomalyDecodeLimit
	AnomalyDupCL
	AnomalyEarlyResponse
	AnomalyEscapedBytes
	AnomalyEventFieldLimit
	AnomalyEvicted
	AnomalyExpectNoBody
	AnomalyGoAway
	AnomalyGzipBadTrailer
	AnomalyGzipHeader
	AnomalyHeadLimit
	AnomalyHeaderListLimit
	AnomalyHPACKError
	AnomalyHPACKUnknown
	AnomalyInterleavedEviction
	AnomalyJunkBeforeRequest
	AnomalyJunkBeforeResponse
	AnomalyKeepaliveProbe
	AnomalyLostSegment
	AnomalyMessageCut
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
	AnomalyRequestInBody
	AnomalyResynchronized
	AnomalyRetransmissionDiffers
	AnomalyRST
	AnomalyShortBody
	AnomalySnaplenCut
	AnomalyStackedCoding
	AnomalyStreamLimit
	AnomalyStreamReset
	AnomalyTEAndCL
	AnomalyTECoding
	AnomalyUnexpectedBody
	AnomalyUnknownTE
	AnomalyUrgentData
	AnomalyWebSocketBadClose
	AnomalyWebSocketBadControl
	AnomalyWebSocketBadLength
	AnomalyWebSocketBadMask
	AnomalyWebSocketBadOpcode
	AnomalyWebSocketBadSequence
	AnomalyWebSocketBadText
	AnomalyWebSocketContextLost
	AnomalyWebSocketReservedBits
	AnomalyWSBeforeColon
	AnomalyWSBeforeHeader
)

var anomalyTable = [...]struct{ name, meaning string }{
	AnomalyAuthorityMismatch:     {"authority_mismatch", "HTTP/2, HTTP/3: :authority and Host name different hosts"},
	AnomalyBadChecksum:           {"bad_checksum", "an IPv4, TCP or UDP checksum does not fit; the packet is used all the same (offloads leave it unset)"},
	AnomalyBadChunkLine:          {"bad_chunk_line", "a chunk size line has junk, odd white space or no size; read as leniently as a browser would"},
	AnomalyBadCL:                 {"bad_cl", "a Content-Length is not one decimal number, or has leading zeros"},
	AnomalyBadFinalChunk:         {"bad_final_chunk", "the last chunk or its trailer is malformed or missing"},
	AnomalyBadFrame:              {"bad_frame", "HTTP/2, HTTP/3: frames that break the protocol were passed over on this connection, before this pair was complete"},
	AnomalyBadGRPC:               {"bad_grpc", "the body of a gRPC exchange does not divide into length-prefixed messages"},
	AnomalyBadHeadEnd:            {"bad_head_end", "a head does not end in a plain empty line, or goes on behind one; readers differ about where the body begins"},
	AnomalyBadHeaderLine:         {"bad_header_line", "a header line has no colon or bytes that a header may not hold"},
	AnomalyBadPseudoHeader:       {"bad_pseudo_header", "HTTP/2, HTTP/3: a pseudo-header is missing, repeated, unknown or out of place"},
	AnomalyBadRequestLine:        {"bad_request_line", "a request line is not method, target, version divided by single spaces"},
	AnomalyBadStatus:             {"bad_status", "a status code is not three digits from 100 to 599"},
	AnomalyBadStatusLine:         {"bad_status_line", "a status line is malformed or missing"},
	AnomalyBadVersion:            {"bad_version", "the version is not HTTP/1.0 or HTTP/1.1"},
	AnomalyBareCREOL:             {"bare_cr_eol", "a line of the head ends in CR alone"},
	AnomalyBareCRValue:           {"bare_cr_value", "a CR inside a header value"},
	AnomalyBareLFChunkExt:        {"bare_lf_chunk_ext", "a chunk line or its extension ends in LF alone"},
	AnomalyBareLFEOL:             {"bare_lf_eol", "a line of the head ends in LF alone"},
	AnomalyBodyLimit:             {"body_limit", "the body is longer than what is stored of it; size and hash are of the whole"},
	AnomalyCEMismatch:            {"ce_mismatch", "Content-Encoding and the body disagree, or its list has an empty element"},
	AnomalyChunkExtension:        {"chunk_extension", "chunk size lines carry extensions"},
	AnomalyChunkSizeZeros:        {"chunk_size_zeros", "chunk sizes are written with leading zeros"},
	AnomalyChunkedOldProto:       {"chunked_old_proto", "chunked coding under HTTP/1.0"},
	AnomalyCLMismatch:            {"cl_mismatch", "HTTP/2, HTTP/3: Content-Length is not the length of the body"},
	AnomalyConnectionHeader:      {"connection_header", "HTTP/2, HTTP/3: a field that they forbid, such as Transfer-Encoding or Connection"},
	AnomalyContinuationFlood:     {"continuation_flood", "HTTP/2: a header block in more than 128 frames, as only attacks have"},
	AnomalyDecodeError:           {"decode_error", "content decoding failed; the body holds what was decoded"},
	AnomalyDecodeLimit:           {"decode_limit", "content decoding stopped at a limit; the body is the coded original"},
	AnomalyDupCL:                 {"dup_cl", "more than one Content-Length"},
	AnomalyEarlyResponse:         {"early_response", "the response begins before the request has ended"},
	AnomalyEscapedBytes:          {"escaped_bytes", "a string held bytes that are not UTF-8; they are written \\xNN"},
	AnomalyEventFieldLimit:       {"event_field_limit", "a name or id of a server-sent event is longer than the limit; the rest was not stored"},
	AnomalyEvicted:               {"evicted", "the connection's state was dropped to keep the memory limit"},
	AnomalyExpectNoBody:          {"expect_no_body", "a request waits for 100 (Continue) and announces no body"},
	AnomalyGoAway:                {"goaway", "HTTP/2: GOAWAY said that the stream was or may have been left undone"},
	AnomalyGzipBadTrailer:        {"gzip_bad_trailer", "checksum or length at the end of a gzip stream is wrong or missing"},
	AnomalyGzipHeader:            {"gzip_header", "the header of a gzip body has a checksum that is wrong, or reserved bits"},
	AnomalyHeadLimit:             {"head_limit", "the head is longer than the limit; the rest was not stored"},
	AnomalyHeaderListLimit:       {"header_list_limit", "HTTP/2, HTTP/3: the decoded header list is larger than the limit; the rest was not stored"},
	AnomalyHPACKError:            {"hpack_error", "HTTP/2, HTTP/3: a header block cannot be decoded"},
	AnomalyHPACKUnknown:          {"hpack_unknown", "HTTP/2, HTTP/3: a field refers to one that the capture does not hold; it is shown as ?idx=N"},
	AnomalyInterleavedEviction:   {"interleaved_eviction", "the connection continues one that was evicted"},
	AnomalyJunkBeforeRequest:     {"junk_before_request", "bytes before the request that belong to no message"},
	AnomalyJunkBeforeResponse:    {"junk_before_response", "bytes before the status line that belong to no message"},
	AnomalyKeepaliveProbe:        {"keepalive_probe", "a TCP keep-alive probe repeated a byte"},
	AnomalyLostSegment:           {"lost_segment", "bytes of the connection are missing from the capture"},
	AnomalyMessageCut:            {"message_cut", "the connection, the stream or the capture ended inside a message of a stream"},
	AnomalyMidstream:             {"midstream", "the capture has no start of the connection"},
	AnomalyMirrorTruncated:       {"mirror_truncated", "a packet was cut by the mirror: inner lengths say more bytes than are there"},
	AnomalyMultiTE:               {"multi_te", "more than one Transfer-Encoding"},
	AnomalyNonstdEOL:             {"nonstd_eol", "the head is divided by neither CRLF nor LF"},
	AnomalyObsFold:               {"obs_fold", "a header is folded over lines"},
	AnomalyOneSided:              {"one_sided", "only one direction of the connection is in the capture"},
	AnomalyOpenExchangeLimit:     {"open_exchange_limit", "more requests were open than the limit; the oldest was written unanswered"},
	AnomalyOutOfOrderLimit:       {"out_of_order_limit", "out-of-order data exceeded its limit; a hole was given up"},
	AnomalyOutOfWindow:           {"out_of_window", "TCP data far outside the window was left out"},
	AnomalyOverlapConflict:       {"overlap_conflict", "two copies of the same bytes differ: of a TCP stream, or of a datagram in IP fragments"},
	AnomalyPortReuse:             {"port_reuse", "the same addresses and ports served a later connection"},
	AnomalyPushed:                {"pushed", "HTTP/2, HTTP/3: the server announced the request and answered it unasked (PUSH_PROMISE)"},
	AnomalyRequestInBody:         {"request_in_body", "the body of a request begins as a request does: a server that passes over what the head says about the body reads it as the next one"},
	AnomalyResynchronized:        {"resynchronized", "after a gap, reading went on at what looks like the next message, where no acknowledgement, length or chunk speaks against it; a body may quote one"},
	AnomalyRetransmissionDiffers: {"retransmission_differs", "a retransmission carries other bytes than the first copy"},
	AnomalyRST:                   {"rst", "the connection was reset before the message ended"},
	AnomalyShortBody:             {"short_body", "the connection ended before the announced length"},
	AnomalySnaplenCut:            {"snaplen_cut", "packets were cut by the snap length"},
	AnomalyStackedCoding:         {"stacked_coding", "more than one content coding"},
	AnomalyStreamLimit:           {"stream_limit", "HTTP/2, HTTP/3: more streams were open than the limit; the oldest was written as it was"},
	AnomalyStreamReset:           {"stream_reset", "HTTP/2, HTTP/3: the stream was ended by RST_STREAM or RESET_STREAM"},
	AnomalyTEAndCL:               {"te_and_cl", "Transfer-Encoding and Content-Length both present"},
	AnomalyTECoding:              {"te_coding", "a compression is named in Transfer-Encoding; it is undone like one in Content-Encoding"},
	AnomalyUnexpectedBody:        {"unexpected_body", "body bytes where the message may not have a body"},
	AnomalyUnknownTE:             {"unknown_te", "a transfer coding that is not known"},
	AnomalyUrgentData:            {"urgent_data", "TCP urgent data inside the stream"},
	AnomalyWebSocketBadClose:     {"websocket_bad_close", "WebSocket: a close frame with one byte, a status that may not be sent, or a reason that is not UTF-8"},
	AnomalyWebSocketBadControl:   {"websocket_bad_control", "WebSocket: a control frame that is fragmented or longer than 125 bytes"},
	AnomalyWebSocketBadLength:    {"websocket_bad_length", "WebSocket: a length that is not in its shortest form, or has its highest bit set"},
	AnomalyWebSocketBadMask:      {"websocket_bad_mask", "WebSocket: a frame of the client that is not masked, or one of the server that is"},
	AnomalyWebSocketBadOpcode:    {"websocket_bad_opcode", "WebSocket: a reserved opcode"},
	AnomalyWebSocketBadSequence:  {"websocket_bad_sequence", "WebSocket: a continuation of nothing, a message inside a fragmented one, or one behind a close frame"},
	AnomalyWebSocketBadText:      {"websocket_bad_text", "WebSocket: a text message that is not UTF-8"},
	AnomalyWebSocketContextLost:  {"websocket_context_lost", "WebSocket: the message is compressed against earlier ones that could not be read; the payload is as it was sent"},
	AnomalyWebSocketReservedBits: {"websocket_reserved_bits", "WebSocket: reserved bits that no negotiated extension gives a meaning"},
	AnomalyWSBeforeColon:         {"ws_before_colon", "white space between header name and colon"},
	AnomalyWSBeforeHeader:        {"ws_before_header", "white space before the first header"},
}
