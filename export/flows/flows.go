// Package flows writes connections, HTTP or not, as a Parquet file: one row each,
// the fields those of [export.FlowSchema]. The writing is that of export/parquet.
package flows

import (
	"io"

	"recap/export"
	"recap/export/parquet"
)

// New returns a sink that writes the flows of every batch to w and ignores pairs.
func New(w io.Writer, o export.Options) *parquet.Sink { return parquet.NewFlows(w, o) }
