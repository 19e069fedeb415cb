package coding

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

var (
	errLZMADictionary = errors.New("lzma dictionary exceeds the limit")
	errNoLZMA         = errors.New("no lzma data")
)

// lzmaHeader is the length of the classic header: properties, dictionary, size.
const lzmaHeader = 13

// lzmaProps is the properties byte that nearly all encoders write; other formats begin otherwise.
const lzmaProps = 0x5d

// newLZMAReader undoes the classic LZMA format, a coding that some browsers once knew.
// The dictionary is bounded like the window of zstd.
func newLZMAReader(src io.Reader, lim Limits) (io.Reader, error) {
	p := bufio.NewReaderSize(src, 4<<10)
	h, err := p.Peek(lzmaHeader)
	if err != nil {
		return nil, err
	}
	if int64(binary.LittleEndian.Uint32(h[1:])) > lim.ZstdWindow {
		if h[0] != lzmaProps { // not this format at all
			return nil, errNoLZMA
		}
		return nil, errLZMADictionary
	}
	return lzma.ReaderConfig{DictCap: int(max(lim.ZstdWindow, lzma.MinDictCap))}.NewReader(p)
}
