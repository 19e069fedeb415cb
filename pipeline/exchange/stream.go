package exchange

// StreamMessage is one message of an exchange that streams: a WebSocket message,
// an event of text/event-stream, a gRPC message. One row of messages.parquet.
type StreamMessage struct {
	PairID  ID
	Conn    *Conn
	Ordinal int64 // place among the pair's messages, from 0
	Dir     Dir
	Kind    string // "websocket", "sse", "grpc"
	Type    string // opcode ("text", "binary", "close", "ping", "pong"), event name, or "message"
	ID      string // SSE: id of the last event that had one
	// RetryMS is the reconnection time that an event stream has set since the event
	// before, milliseconds.
	RetryMS  int64
	HasRetry bool
	// CloseCode is the WebSocket close status, 0 for none (RFC 6455, section 7.4).
	CloseCode  int32
	TimeNS     int64 // capture time of its last byte
	Packet     int64 // that carried its last byte
	Payload    []byte
	Size       int64 // decoded, whole
	WireSize   int64 // as sent, before decompression
	SHA256     [32]byte
	Hashed     bool
	Compressed bool // it was compressed on the wire
	Partial    bool // bytes are missing
	Anomalies  Anomalies
	Completed  int64 // orders rows, as Pair.Completed does
}
