package packet

import "fmt"

// Error is a fault at a place in an input. Its text names file, packet, byte and
// cause; Saved and Hint are for the lines after it.
type Error struct {
	File   string
	Packet int64 // number in the file from 1; 0 where no packet is concerned
	Offset int64 // byte offset from 0 in the (decompressed) file; -1 where none is known
	Err    error
	Saved  string // what was kept, e.g. "1841 packets were used"
	Hint   string // what to try
}

func (e *Error) Error() string {
	switch {
	case e.Packet > 0 && e.Offset >= 0:
		return fmt.Sprintf("%s: packet %d at byte %d: %v", e.File, e.Packet, e.Offset, e.Err)
	case e.Offset >= 0:
		return fmt.Sprintf("%s: byte %d: %v", e.File, e.Offset, e.Err)
	default:
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
