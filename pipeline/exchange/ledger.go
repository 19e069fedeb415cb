package exchange

// Ledger accounts for every packet and every payload byte of a capture: of TCP segments,
// and of the UDP datagrams that carry QUIC.
type Ledger struct {
	// PacketsRead = Σ Packets, exactly.
	PacketsRead int64            `json:"packets_read"`
	Packets     map[string]int64 `json:"packets"`
	// PayloadBytes = Σ Payload, exactly: payload bytes of all TCP and QUIC packets.
	PayloadBytes int64            `json:"tcp_payload_bytes"`
	Payload      map[string]int64 `json:"tcp_payload"`
}

// Dispositions of packets. "undecodable:<reason>" stands beside them.
const (
	PacketTCPHTTP      = "tcp_http"
	PacketTCPOther     = "tcp_other"
	PacketTLSOpaque    = "tls_opaque"
	PacketQUICHTTP     = "quic_http"
	PacketQUICOther    = "quic_other"
	PacketQUICOpaque   = "quic_opaque"
	PacketUDP          = "udp"
	PacketOtherIP      = "other_ip"
	PacketNonIP        = "non_ip"
	PacketDuplicate    = "duplicate"
	PacketFragmentHeld = "fragment_held"
	PacketFiltered     = "filtered"
	PacketUndecodable  = "undecodable:" // + reason
)

// Dispositions of payload bytes. "discarded:<limit>" stands beside them.
const (
	BytesHTTP  = "http_messages"
	BytesOther = "other_protocols"
	BytesTLS   = "tls_opaque"
	BytesQUIC  = "quic_opaque"
	// BytesTLSOverhead is what TLS or QUIC adds to data that was decrypted: headers, tags, padding, the handshake.
	BytesTLSOverhead = "tls_overhead"
	BytesDuplicate   = "duplicates"
	BytesConflict    = "conflicts"
	BytesUnparsed    = "unparsed"
	BytesDiscarded   = "discarded:" // + reason
)

// Balance returns packets read less packets disposed of, and payload bytes seen
// less payload bytes disposed of. Both are 0 in a ledger that balances.
func (l *Ledger) Balance() (packets, payload int64) {
	packets, payload = l.PacketsRead, l.PayloadBytes
	for _, n := range l.Packets {
		packets -= n
	}
	for _, n := range l.Payload {
		payload -= n
	}
	return packets, payload
}
