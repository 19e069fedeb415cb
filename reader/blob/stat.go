package blob

import "context"

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
