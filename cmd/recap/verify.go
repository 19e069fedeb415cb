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
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"recap/export"
)

const verifyHelp = `Read the inputs and outputs of an output directory again and hold size and SHA-256
of each against DIR/manifest.json.

Inputs are looked for under the names that extract was given, from the current
directory. Exit code 0: everything is as it was; 1: something differs or an output
is missing; 3: the outputs are as they were, but an input could not be checked.`

type verifyCommand struct {
	u *ui
}

func newVerify(u *ui) *cobra.Command {
	c := &verifyCommand{u: u}
	return &cobra.Command{
		Use:     "verify DIR",
		Short:   "Check an output directory and its inputs against the manifest",
		Long:    verifyHelp,
		Example: "  recap verify recap-out",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errTooMany(cmd.CommandPath(), "one DIR")
			}
			return c.run(cmd.Context(), args[0])
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

func (c *verifyCommand) run(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return errNoManifest(dir, err)
	}
	defer root.Close()
	m, err := readManifest(root)
	if errors.Is(err, errParts) {
		return c.runParts(ctx, dir, root)
	}
	if err != nil {
		return errNoManifest(dir, err)
	}
	var checks []check
	for _, o := range m.Outputs {
		e := check{kind: "output", name: o.Name}
		e.err = compareFile(ctx, func() (*os.File, error) { return openRegular(root.Open, root.Lstat, o.Name) }, o.Size, o.SHA256)
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
			e.err = compareFile(ctx, func() (*os.File, error) { return openRegular(os.Open, os.Stat, in.Name) }, in.Size, *in.SHA256)
			e.bad = errors.Is(e.err, errDiffers)
		}
		checks = append(checks, e)
	}
	if ctx.Err() != nil {
		return errInterrupted("")
	}
	return c.u.verified(dir, m, checks, unlisted(root, m))
}

// runParts checks every part of a directory that --each has made, and that each has
// the manifest that the one above lists.
func (c *verifyCommand) runParts(ctx context.Context, dir string, root *os.Root) error {
	m, err := readEachManifest(root)
	if err != nil {
		return errNoManifest(dir, err)
	}
	code := exitOK
	worse := func(err error) {
		if n := exitCode(err); n == exitFailure || n == exitInterrupted || code == exitOK {
			code = n
		}
	}
	for _, p := range m.Parts {
		if p.Manifest == nil {
			c.u.partWithout(p.Part, p.Error)
			worse(&failure{code: exitIncomplete})
			continue
		}
		path := filepath.Join(filepath.FromSlash(p.Part), export.ManifestName)
		text, err := root.ReadFile(path)
		if err == nil && fmt.Sprintf("%x", sha256.Sum256(text)) != *p.Manifest {
			err = fmt.Errorf("%w from the one that the manifest above lists", errDiffers)
		}
		if err != nil {
			err = errNoManifest(filepath.Join(dir, path), err)
			c.u.fail(err)
			worse(err)
			continue
		}
		c.u.part(p.Part)
		err = c.run(ctx, filepath.Join(dir, filepath.FromSlash(p.Part)))
		c.u.fail(err)
		worse(err)
		if ctx.Err() != nil {
			break
		}
	}
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}

func readEachManifest(root *os.Root) (*eachManifest, error) {
	f, err := openRegular(root.Open, root.Lstat, export.ManifestName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := new(eachManifest)
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(m); err != nil {
		return nil, err
	}
	for _, p := range m.Parts {
		if name := filepath.FromSlash(p.Part); !filepath.IsLocal(name) || name == "." {
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
	m := new(export.Manifest)
	if err := json.NewDecoder(io.LimitReader(f, maxManifest)).Decode(m); err != nil {
		return nil, err
	}
	if m.Format == eachFormat {
		return nil, errParts
	}
	if m.Format != export.ManifestFormat {
		return nil, fmt.Errorf("manifest of format %q, not %q", m.Format, export.ManifestFormat)
	}
	return m, nil
}

var (
	errParts    = errors.New("it holds a directory for each input: name one of those")
	errDiffers  = errors.New("differs")
	errWasStdin = errors.New("was standard input")
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
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return cause(err)
		}
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != sum {
		return fmt.Errorf("%w: SHA-256 %s, not %s", errDiffers, got, sum)
	}
	return nil
}

// unlisted returns the files of the directory that its manifest does not vouch for.
func unlisted(root *os.Root, m *export.Manifest) []string {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		listed := e.Name() == export.ManifestName ||
			slices.ContainsFunc(m.Outputs, func(o export.Output) bool { return filepath.ToSlash(o.Name) == e.Name() })
		if !listed {
			names = append(names, e.Name())
		}
	}
	return names
}
