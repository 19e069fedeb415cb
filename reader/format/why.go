package format

import "fmt"

// WhyLengths says why a record with these lengths, in bytes, is not believed: captured, on the wire, and the most that is taken for
// captured. It is empty where nothing speaks against them.
func WhyLengths[N int | int64 | uint32](captured, wire, most N) string {
	switch {
	case captured > most:
		return fmt.Sprintf("captured length %d exceeds the limit of %d", captured, most)
	case captured > wire:
		return fmt.Sprintf("captured length %d of a packet of %d bytes leads to no record", captured, wire)
	}
	return ""
}
