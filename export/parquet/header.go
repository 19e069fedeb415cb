package parquet

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go/format"
)

// A capture of some megabytes has as many pages as columns, most of a few bytes, and
// headers by reflection took as long as their contents. So a page's header is put
// together here, in Thrift's compact protocol: a field is a byte of the distance to the
// number of the field before it and a type, then the value; integers are zigzag varints.
const (
	nextTrue   = 1<<4 | 1
	nextFalse  = 1<<4 | 2
	nextI32    = 1<<4 | 5
	dictHeader = 3<<4 | 12 // field 7 after field 4
	dataHeader = 4<<4 | 12 // field 8 after field 4
)

// appendPageHeader appends h as a file holds it: a dictionary page or a data page
// version 2, without statistics, which stand in the footer.
func appendPageHeader(b []byte, h *format.PageHeader) []byte {
	b = appendI32s(b, int32(h.Type), h.UncompressedPageSize, h.CompressedPageSize, h.CRC)
	if h.Type == format.DictionaryPage {
		d := &h.DictionaryPageHeader.V
		b = append(b, dictHeader)
		b = appendI32s(b, d.NumValues, int32(d.Encoding))
		return append(b, structEnd, structEnd)
	}
	d := &h.DataPageHeaderV2.V
	b = append(b, dataHeader)
	b = appendI32s(b, d.NumValues, d.NumNulls, d.NumRows, int32(d.Encoding), d.DefinitionLevelsByteLength, d.RepetitionLevelsByteLength)
	if d.IsCompressed.V {
		b = append(b, nextTrue)
	} else {
		b = append(b, nextFalse)
	}
	return append(b, structEnd, structEnd)
}

// appendI32s appends fields with successive numbers.
func appendI32s(b []byte, vs ...int32) []byte {
	for _, v := range vs {
		b = binary.AppendVarint(append(b, nextI32), int64(v))
	}
	return b
}
