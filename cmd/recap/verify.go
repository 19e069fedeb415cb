package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/reader"
	"recap/reader/blob"
)

const verifyHelp = `Read the inputs and outputs of an output directory again and hold size and SHA-256
of each against DIR/manifest.json.

Inputs are looked for under the names that extract was given, from the current
directory. Signatures are not in the manifest: inputs that were read with one are
checked where they are given again, as INPUT, with one that is valid now; the URL of
the container with its signature does for all in it. DIR may be a URL.

Exit code 0: everything is as it was; 1: something differs or an output
is missing; 3: the outputs are as they were, but an input could not be checked.`

type verifyCommand struct {
	u      *ui
	chosen selection
}

func newVerify(u *ui) *cobra.Command {
	c := &verifyCommand{u: u}
	return &cobra.Command{
		Use:     "verify DIR [INPUT...]",
		Short:   "Check an output directory and its inputs against the manifest",
		Long:    verifyHelp,
		Example: "  recap verify recap-out\n  recap verify dataset 'https://ACCOUNT.blob.core.windows.net/CONTAINER/?SAS'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errTooMany(cmd.CommandPath(), "one DIR")
			}
			return c.run(cmd.Context(), args[0], args[1:])
		},
	}
}

// A check is what became of one file that the manifest names.
type check struct {
	kind string // "output" or "input"
	name string
	bad  bool  // it differs, or an output is missing
	err  error // nil: as it was
}

// maxManifest bounds a manifest in bytes: it is foreign text as well.
const maxManifest = 1 << 30

func (c *verifyCommand) run(ctx context.Context, dir string, inputs []string) error {
	at, err := openExisting(&c.chosen, dir)
	dir = blob.SafeName(dir)
	if err != nil {
		return errNoManifest(dir, err)
	}
	defer at.Close()
	v := &verification{c: c, at: at, o: reader.Options{Store: c.chosen.newStore(pipeline.DefaultMem)}}
	if err := v.take(ctx, inputs); err != nil {
		return err
	}
	m, err := manifestAt(at, export.ManifestName)
	if errors.Is(err, errParts) {
		return v.parts(ctx, dir)
	}
	if err != nil {
		return errNoManifest(dir, err)
	}
	return v.one(ctx, dir, "", m, true)
}

// A verification checks what is in one place.
type verification struct {
	c  *verifyCommand
	at export.Place
	o  reader.Options
	// given are the inputs on the command line by the names that the manifest may have.
	given map[string]reader.Found
}

// take finds what is behind inputs.
func (v *verification) take(ctx context.Context, inputs []string) error {
	if len(inputs) == 0 {
		return nil
	}
	found, err := reader.List(ctx, inputs, v.o)
	if err != nil {
		return unopened(ctx, err)
	}
	v.given = map[string]reader.Found{}
	for _, f := range found {
		v.given[f.Name] = f
	}
	return nil
}

// one checks the outputs, named from base, and inputs of one manifest. own says that
// nothing else belongs in base.
func (v *verification) one(ctx context.Context, shown, base string, m *export.Manifest, own bool) error {
	var checks []check
	for _, o := range m.Outputs {
		e := check{kind: "output", name: o.Name}
		e.err = v.output(ctx, path.Join(base, filepath.ToSlash(o.Name)), o)
		e.bad = e.err != nil
		checks = append(checks, e)
	}
	for _, in := range m.Inputs {
		e := check{kind: "input", name: in.Name}
		switch {
		case in.Name == "-":
			e.err = errWasStdin
		case in.SHA256 == nil:
			e.err = errNoHash
		default:
			e.err = v.input(ctx, in)
			e.bad = errors.Is(e.err, errDiffers)
		}
		checks = append(checks, e)
	}
	if ctx.Err() != nil {
		return errInterrupted("")
	}
	var extra []string
	if own {
		extra = v.unlisted(base, m)
	}
	return v.c.u.verified(shown, m, checks, extra)
}

func (v *verification) output(ctx context.Context, name string, o export.Output) error {
	f, size, err := v.at.Open(name)
	if err != nil {
		return cause(err)
	}
	defer f.Close()
	if size != o.Size {
		return fmt.Errorf("%w: %s bytes, not %s", errDiffers, count(size), count(o.Size))
	}
	return compareStream(ctx, f, o.Size, o.SHA256)
}

// input checks a file, or a blob that can be read with what the environment has.
func (v *verification) input(ctx context.Context, in export.ManifestInput) error {
	if f, ok := v.given[in.Name]; ok {
		return v.found(ctx, f, in)
	}
	if !blob.IsURL(in.Name) {
		return compareFile(ctx, func() (*os.File, error) {
			return openRegular(os.Open, os.Stat, strings.TrimPrefix(in.Name, "file://"))
		}, in.Size, *in.SHA256)
	}
	found, err := reader.List(ctx, []string{in.Name}, v.o)
	if err != nil || len(found) != 1 {
		return cmpErr(err, errGone)
	}
	err = v.found(ctx, found[0], in)
	if err != nil && !errors.Is(err, errDiffers) && strings.HasPrefix(in.Name, "http") {
		return fmt.Errorf("%w; if it needs a signature, add its URL after DIR, with one that is valid now", err)
	}
	return err
}

func (v *verification) found(ctx context.Context, f reader.Found, in export.ManifestInput) error {
	r, err := reader.OpenRaw(ctx, f, v.o)
	if err != nil {
		return err
	}
	defer r.Close()
	return compareStream(ctx, r, in.Size, *in.SHA256)
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// parts checks every part of a directory that --each has made, and that each has
// the manifest that the one above lists.
func (v *verification) parts(ctx context.Context, dir string) error {
	m, err := readEachManifest(v.at, export.ManifestName)
	if err != nil {
		return errNoManifest(dir, err)
	}
	code := exitOK
	worse := func(err error) {
		if n := exitCode(err); n == exitFailure || n == exitInterrupted || code == exitOK {
			code = n
		}
	}
	listed := map[string]bool{}
	for _, p := range m.Parts {
		if p.Manifest == nil {
			v.c.u.partWithout(p.Part, p.Error)
			worse(&failure{code: exitIncomplete})
			continue
		}
		err := v.part(ctx, &p, listed)
		v.c.u.fail(err)
		worse(err)
		if ctx.Err() != nil {
			break
		}
	}
	if err := v.strange(listed, m); err != nil {
		v.c.u.fail(err)
		worse(err)
	}
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

func (v *verification) part(ctx context.Context, p *eachPart, listed map[string]bool) error {
	name := p.manifestFile()
	shown := v.at.Path(name)
	sum, err := hashOf(v.at, name)
	if err == nil && sum != *p.Manifest {
		err = fmt.Errorf("%w from the one that the manifest above lists", errDiffers)
	}
	if err != nil {
		return errNoManifest(shown, err)
	}
	m, err := manifestAt(v.at, name)
	if err != nil {
		return errNoManifest(shown, err)
	}
	v.c.u.part(p.Part)
	if p.File != "" {
		for _, o := range m.Outputs {
			listed[o.Name] = true
		}
		return v.one(ctx, shown, "", m, false)
	}
	return v.one(ctx, v.at.Path(p.Part), p.Part, m, true)
}

// strange finds data in a dataset that no manifest vouches for: whoever reads the
// table reads them as well.
func (v *verification) strange(listed map[string]bool, m *eachManifest) error {
	if len(listed) == 0 {
		return nil
	}
	names, err := v.at.List()
	if err != nil {
		return errNoManifest(v.at.Path(""), err)
	}
	for _, name := range names {
		if partID.MatchString(name) && !listed[name] && path.Dir(name) != manifestsDir {
			return errStrange(v.at.Path(name))
		}
	}
	return nil
}

func readEachManifest(at export.Place, name string) (*eachManifest, error) {
	f, _, err := at.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := new(eachManifest)
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(m); err != nil {
		return nil, err
	}
	if m.Format != eachFormat {
		return nil, fmt.Errorf("manifest of format %q, not %q", m.Format, eachFormat)
	}
	for _, p := range m.Parts {
		if name := filepath.FromSlash(p.manifestFile()); !filepath.IsLocal(name) || filepath.Dir(name) == "." {
			return nil, fmt.Errorf("part %q is not below it", p.Part)
		}
	}
	return m, nil
}

func readManifest(root *os.Root) (*export.Manifest, error) {
	f, err := openRegular(root.Open, root.Lstat, export.ManifestName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeManifest(f)
}

var (
	errParts    = errors.New("it holds a directory for each input: name one of those")
	errDiffers  = errors.New("differs")
	errWasStdin = errors.New("was standard input")
	errGone     = errors.New("is not there")
	errNoHash   = errors.New("was not read to its end, so that there is no hash of it")
)

// openRegular opens a regular file. A manifest may name what blocks or never
// ends: pipes and devices are not opened.
func openRegular(open func(string) (*os.File, error), stat func(string) (fs.FileInfo, error), name string) (*os.File, error) {
	info, err := stat(name)
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	f, err := open(name)
	if err != nil {
		return nil, cause(err)
	}
	return f, nil
}

// compareFile returns nil where the file has this size and hash.
func compareFile(ctx context.Context, open func() (*os.File, error), size int64, sum string) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return cause(err)
	}
	if info.Size() != size {
		return fmt.Errorf("%w: %s bytes, not %s", errDiffers, count(info.Size()), count(size))
	}
	return compareStream(ctx, f, size, sum)
}

// compareStream returns nil where r gives bytes of this number and hash.
func compareStream(ctx context.Context, r io.Reader, size int64, sum string) error {
	h := sha256.New()
	var read int64
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		read += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return cause(err)
		}
	}
	if read != size {
		return fmt.Errorf("%w: %s bytes, not %s", errDiffers, count(read), count(size))
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != sum {
		return fmt.Errorf("%w: SHA-256 %s, not %s", errDiffers, got, sum)
	}
	return nil
}

// unlisted returns the files in base that its manifest does not vouch for.
func (v *verification) unlisted(base string, m *export.Manifest) []string {
	all, err := v.at.List()
	if err != nil {
		return nil
	}
	var names []string
	for _, name := range all {
		if base != "" {
			var below bool
			if name, below = strings.CutPrefix(name, base+"/"); !below {
				continue
			}
		}
		first, _, _ := strings.Cut(name, "/")
		listed := name == export.ManifestName ||
			slices.ContainsFunc(m.Outputs, func(o export.Output) bool { return filepath.ToSlash(o.Name) == name })
		if !listed && !slices.Contains(names, first) {
			names = append(names, first)
		}
	}
	return names
}
