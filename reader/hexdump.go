package reader

import (
	"bytes"
	"regexp"
)

// A text that shows packets, or anything else, as hexadecimal digits is what tcpdump -x, od or
// hexdump print. It says neither of which link layer its bytes are nor, of most programs, where a
// packet ends and when it came, so that reading it would mean to guess. The program that is told
// all that can make a capture of it.
const hexDumpHint = `it looks like a hex dump; where it shows packets, "text2pcap -l LINKTYPE FILE OUT.pcap" makes a capture of it (see its -t for times)`

// hexRow is a row of a dump: an offset in three or more digits, and groups of one or two bytes.
var hexRow = regexp.MustCompile(`^\s*(?:0x)?[0-9a-fA-F]{3,8}:?\s{1,3}(?:[0-9a-fA-F]{2}){1,2}(?:\s{1,2}(?:[0-9a-fA-F]{2}){1,2}){1,15}(?:\s|$)`)

// isHexDump says whether a row of a dump is among the first lines of a text.
func isHexDump(head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	for range 10 {
		line, rest, more := bytes.Cut(head, []byte("\n"))
		if hexRow.Match(line) {
			return true
		}
		if head = rest; !more {
			break
		}
	}
	return false
}
