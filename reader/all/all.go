// Package all lists the capture formats that recap reads. A format is one folder
// and one line here.
package all

import (
	"slices"

	"recap/reader/commview"
	"recap/reader/erf"
	"recap/reader/fiveviews"
	"recap/reader/format"
	"recap/reader/lanalyzer"
	"recap/reader/netmon"
	"recap/reader/nettl"
	"recap/reader/netxray"
	"recap/reader/observer"
	"recap/reader/pcap"
	"recap/reader/pcapng"
	"recap/reader/sniffer"
	"recap/reader/snoop"
	"recap/reader/visual"
)

// Formats returns every format, surest magic number first.
func Formats() []format.Format {
	return slices.Concat([]format.Format{
		pcap.Format,
		pcapng.Format,
		netmon.Format,
		snoop.Format,
		sniffer.Format,
		netxray.Format,
		observer.Format,
		nettl.Format,
		visual.Format,
		fiveviews.Format,
		lanalyzer.Format, // two bytes only
	}, commview.Formats(), []format.Format{ // no magic number
		erf.Format,
	})
}
