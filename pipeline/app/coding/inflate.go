package coding

import (
	"io"

	"github.com/klauspost/compress/flate"
)

// Inflate returns a reader of the bare deflate data in src, which may refer back into
// dict and not beyond it: such a reference is an error. It reads no more of src than
// it needs where src is an io.ByteReader, and is valid until d is used again.
func (d *Decoder) Inflate(src io.Reader, dict []byte) (io.Reader, error) {
	if d.fl == nil {
		d.fl = flate.NewReaderDict(src, dict)
		return d.fl, nil
	}
	return d.fl, d.fl.(flate.Resetter).Reset(src, dict)
}
