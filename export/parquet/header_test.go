package parquet

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// TestPageHeaderIsReadBack decodes headers with parquet-go.
func TestPageHeaderIsReadBack(t *testing.T) {
	data := func(h format.DataPageHeaderV2) format.PageHeader {
		return format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: 300, CompressedPageSize: 200, CRC: -5, DataPageHeaderV2: thrift.New(h)}
	}
	for _, tt := range []struct {
		name string
		h    format.PageHeader
	}{
		{"a page that is compressed", data(format.DataPageHeaderV2{NumValues: 10, NumNulls: 3, NumRows: 9, Encoding: format.RLEDictionary, DefinitionLevelsByteLength: 4, RepetitionLevelsByteLength: 200, IsCompressed: thrift.New(true)})},
		{"a page that is not", data(format.DataPageHeaderV2{NumValues: math.MaxInt32, NumRows: 1, IsCompressed: thrift.New(false)})},
		{"the largest numbers", format.PageHeader{Type: format.DataPageV2, UncompressedPageSize: math.MaxInt32, CompressedPageSize: math.MaxInt32, CRC: math.MinInt32,
			DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{IsCompressed: thrift.New(true)})}},
		{"a dictionary", format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 1, CompressedPageSize: 9, CRC: math.MaxInt32,
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 70_000, Encoding: format.Plain})}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := appendPageHeader(nil, &tt.h)
			var got format.PageHeader
			var p thrift.CompactProtocol
			r := bytes.NewReader(b)
			if err := thrift.NewDecoder(p.NewReader(r)).Decode(&got); err != nil {
				t.Fatalf("decoding %x: %v", b, err)
			}
			if r.Len() > 0 || !reflect.DeepEqual(got, tt.h) {
				t.Errorf("%x reads as %+v with %d bytes left, want %+v", b, got, r.Len(), tt.h)
			}
		})
	}
}
