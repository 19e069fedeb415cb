package tcp

// diff returns how far sequence number a is ahead of b, negative when it is
// behind. Sequence numbers wrap at 2^32; the answer is right as long as the two
// are less than 2^31 apart (RFC 9293, section 3.4).
func diff(a, b uint32) int64 { return int64(int32(a - b)) }
