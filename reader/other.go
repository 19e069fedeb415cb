package reader

import "bytes"

// others are files that tools for captures open, or that lie beside captures, and that hold
// no packets of a network.
var others = []struct {
	at    int
	magic string
	what  string
}{
	{0, "#!rtpplay1.0 ", "an RTP dump (rtptools), which holds payloads without their packets"},
	{0, "DLT\x01", "a log of AUTOSAR DLT, which holds no network packets"},
	{0, "PML_", "a log of Process Monitor, which holds no network packets"},
	{0, "LPKSHHRH", "a systemd journal, which holds no network packets"},
	{0, "ElfFile\x00", "a Windows event log (EVTX), which holds no network packets"},
	{0, ";$FILEVERSION=", "a trace of a CAN bus (PEAK), which holds no network packets"},
	{0, "***BUSMASTER", "a trace of a CAN bus (BUSMASTER), which holds no network packets"},
	{0, "#Format=4\r\n", "a trace of a sensor network (Daintree SNA), which holds no IP packets"},
	{0, "V0208", "a trace of ISDN signalling (Aethra), which holds no IP packets"},
	{0, "MPCSII", "a log of contactless cards (Micropross), which holds no network packets"},
	{0, "\x78\x9f\x3e\x22", "an attachment of a mail (TNEF)"},
	{0, "-----BEGIN ", "a text of keys or certificates (PEM)"},
	{4, "ftyp", "an MP4 file"},
	{0, "\x00\x00\x01\xba", "an MPEG program stream"},
	{0, "ID3", "an MP3 file"},
	{0, "\xff\xd8\xff", "a JPEG image"},
	{0, "\x89PNG\r\n", "a PNG image"},
	{0, "GIF8", "a GIF image"},
	{0, "%PDF-", "a PDF document"},
	{0, "PAR1", "a Parquet file"},
	{0, "SQLite format 3\x00", "an SQLite database"},
	{0, "PK\x03\x04", "a ZIP archive; unpack it first"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"},
	{0, "Rar!\x1a\x07", "a RAR archive; unpack it first"},
	{257, "ustar", "a tar archive; unpack it first"},
}

// otherKind says what a file that begins with head is, if it is known and no capture.
func otherKind(head []byte) string {
	for _, o := range others {
		if len(head) >= o.at && bytes.HasPrefix(head[o.at:], []byte(o.magic)) {
			return o.what
		}
	}
	// Packets of an MPEG transport stream have 188 bytes and begin with 0x47.
	if len(head) > 2*188 && head[0] == 0x47 && head[188] == 0x47 && head[2*188] == 0x47 {
		return "an MPEG transport stream, which holds no network packets"
	}
	return ""
}
