// Package all lists the capture formats that recap reads. A format is one folder
// and one line here.
package all

import (
	"slices"

	"recap/reader/blf"
	"recap/reader/bluetooth"
	"recap/reader/capsa"
	"recap/reader/commview"
	"recap/reader/csids"
	"recap/reader/erf"
	"recap/reader/eyesdn"
	"recap/reader/fiveviews"
	"recap/reader/format"
	"recap/reader/i4b"
	"recap/reader/iptrace"
	"recap/reader/lanalyzer"
	"recap/reader/netmon"
	"recap/reader/nettl"
	"recap/reader/netxray"
	"recap/reader/nstrace"
	"recap/reader/observer"
	"recap/reader/pcap"
	"recap/reader/pcapng"
	"recap/reader/peek"
	"recap/reader/pppdump"
	"recap/reader/radcom"
	"recap/reader/rf5"
	"recap/reader/sniffer"
	"recap/reader/snoop"
	"recap/reader/textdump"
	"recap/reader/usbdump"
	"recap/reader/visual"
	"recap/reader/vwr"
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
		nstrace.Format,
		iptrace.Format,
		peek.Tagged,
		blf.Format,
		bluetooth.Btsnoop,
		usbdump.Format,
		eyesdn.Format,
		radcom.Format,
		rf5.Format,
		capsa.Format,
		lanalyzer.Format, // two bytes only
	}, textdump.Formats(), commview.Formats(), []format.Format{ // no magic number
		peek.Classic,
		vwr.Format,
		csids.Format,
		pppdump.Format,
		i4b.Format,
		erf.Format,
		bluetooth.HCIDump,
		bluetooth.PacketLogger,
	})
}
