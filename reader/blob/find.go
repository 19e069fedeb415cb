package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// find lists a container whose names are shown behind base. An object of exactly the
// name is that one, whatever characters it has; else everything below it as a directory;
// else everything that begins so. A glob is matched against whole names.
func (s *Store) find(ctx context.Context, c keeper, base, prefix string) ([]Object, error) {
	glob, from := "", prefix
	var badGlob error
	if i := strings.IndexAny(prefix, "*?["); i >= 0 {
		glob, from = prefix, prefix[:i]
		_, badGlob = path.Match(glob, "")
	}
	all, err := c.list(ctx, from, 0)
	if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusForbidden && glob == "" && path.Base(prefix) != "." && !strings.HasSuffix(prefix, "/") {
		// A signature for one blob does not allow to list.
		o := c.object(prefix)
		o.Name = base + prefix
		return []Object{o}, nil
	}
	if err != nil {
		return nil, err
	}
	keep := func(ok func(name string) bool) (out []Object) {
		for _, o := range all {
			if ok(o.Name) {
				out = append(out, o)
			}
		}
		return out
	}
	found := true
	switch {
	case glob != "":
		if one := keep(func(n string) bool { return n == prefix }); len(one) == 1 {
			all, found = one, false // its name has a question mark, or the like
			break
		}
		all = keep(func(n string) bool { ok, _ := path.Match(glob, n); return ok })
	case prefix != "" && !strings.HasSuffix(prefix, "/"):
		if one := keep(func(n string) bool { return n == prefix }); len(one) == 1 {
			all, found = one, false
		} else if below := keep(func(n string) bool { return strings.HasPrefix(n, prefix+"/") }); len(below) > 0 {
			all = below
		}
	}
	if len(all) == 0 {
		if badGlob != nil {
			return nil, badGlob
		}
		return nil, errors.New("no blob is there")
	}
	for i := range all {
		all[i].Name, all[i].Found = base+all[i].Name, found
	}
	return all, nil
}

// maxListed bounds the memory of a listing.
const maxListed = 1 << 20

var errNoListing = &permanentError{errors.New("server answers a listing with something else")}

// pages puts a listing together from its pages. page returns the objects of one, and
// what names the next: next is empty for the first page and after the last. Where most
// is not 0, no more pages are asked for than hold so many objects.
func (s *Store) pages(ctx context.Context, most int, page func(ctx context.Context, next string) ([]Object, string, error)) ([]Object, error) {
	var out []Object
	for next := ""; ; {
		var some []Object
		err := s.again(ctx, func(ctx context.Context) (err error) {
			var then string
			if some, then, err = page(ctx, next); err != nil {
				return err
			}
			if then != "" && then == next { // it would go on for ever
				return errNoListing
			}
			next = then
			return nil
		})
		if err != nil {
			return nil, err
		}
		if out = append(out, some...); len(out) > maxListed {
			return nil, fmt.Errorf("more than %d objects; name a longer prefix", maxListed)
		}
		if next == "" || most > 0 && len(out) >= most {
			return out, nil
		}
	}
}

// findIn takes bucket/prefix of a service that is not Azure.
func (s *Store) findIn(ctx context.Context, scheme, rest string) ([]Object, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(name, "?#@") || strings.Contains(prefix, "?X-Amz-") {
		return nil, fmt.Errorf("a signature does not belong into %s://; use https://", scheme)
	}
	if name == "" {
		return nil, fmt.Errorf("no bucket is named: %s://bucket/prefix", scheme)
	}
	b, err := s.otherBucket(ctx, scheme, name)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, b, scheme+"://"+name+"/", prefix)
}

// otherBucket opens a bucket of a service that is not Azure.
func (s *Store) otherBucket(ctx context.Context, scheme, name string) (keeper, error) {
	switch scheme {
	case schemeS3:
		return s.s3Bucket(ctx, name)
	case schemeGS:
		return s.gsBucket(ctx, name)
	}
	return nil, fmt.Errorf("URLs of scheme %q are not known", scheme)
}
