package packet

// Pos says where in the capture some bytes stand.
type Pos struct {
	Number    int64 // Packet.Number
	TimeNS    int64 // or NoTime
	Clock     int64 // capture clock: never runs backwards, jumps are left out; nanoseconds
	FileIndex int32
	// BadChecksum: the packet's TCP checksum is wrong, and not merely left to an offload.
	BadChecksum bool
	// FragmentConflict: its IP fragments overlap with different bytes.
	FragmentConflict bool
	// Acked is the offset in the other direction's stream up to which the sender
	// of these bytes had received when it sent them, or NoOffset.
	Acked int64
	// Offset is the stream offset of the first of these bytes.
	Offset int64
}

// NoOffset is a stream offset that is not known.
const NoOffset = -1 << 62
