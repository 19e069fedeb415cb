// Package all lists the capture formats that recap reads. A format is one folder
// and one line here.
package all

import (
	"recap/reader/erf"
	"recap/reader/format"
	"recap/reader/netmon"
	"recap/reader/pcap"
	"recap/reader/pcapng"
	"recap/reader/snoop"
)

// Formats returns every format, surest magic number first.
func Formats() []format.Format {
	return []format.Format{
		pcap.Format,
		pcapng.Format,
		netmon.Format,
		snoop.Format,
		erf.Format, // no magic number
	}
}
