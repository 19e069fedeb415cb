package blob

import (
	"context"
	"io"
)

// Stat asks the server for what is not known of o: size and entity tag.
func (s *Store) Stat(ctx context.Context, o *Object) error {
	return s.again(ctx, func(ctx context.Context) error {
		rep, err := o.get.get(ctx, 0, 1, o.ETag)
		switch {
		case err == errEmpty:
			o.Size = 0
			return nil
		case err != nil:
			return err
		}
		rep.body.Close()
		o.Size, o.ETag = rep.size, rep.etag
		return nil
	})
}

// ReadAt fills b with the bytes of o from off on; n is less than len(b) only at the end
// of o. What it learns of size and entity tag is noted in o, and insisted on.
func (s *Store) ReadAt(ctx context.Context, o *Object, b []byte, off int64) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	err = s.again(ctx, func(ctx context.Context) error {
		rep, err := o.get.get(ctx, off, int64(len(b)), o.ETag)
		if err != nil {
			return err
		}
		defer rep.body.Close()
		o.Size, o.ETag = rep.size, rep.etag
		if n, err = io.ReadFull(rep.body, b); err == io.ErrUnexpectedEOF || err == io.EOF {
			err = nil
			if o.Size >= 0 && off+int64(n) < o.Size {
				err = io.ErrUnexpectedEOF
			}
		}
		return err
	})
	if err == errEmpty {
		err = nil
	}
	return n, err
}
