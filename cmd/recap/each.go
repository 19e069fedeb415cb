package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline"
	"recap/reader"
	"recap/reader/blob"
)

// This file is about --each, where every input, or set of inputs that belong
// together, is a capture of its own. batch.go runs them, resume.go goes on with what
// an earlier call has left, dataset.go lays them out as one table.

// A task is one capture of its own.
type task struct {
	index int            // place among all captures of the batch
	part  string         // its directory below the output directory; "." for that itself
	found []reader.Found // one of them with --each, or a set
	name  string         // of the first input, as it is shown
	err   error          // it could not be found
	done  *export.Manifest
}

// names lists the inputs as they are shown.
func (t *task) names() []string {
	if len(t.found) == 0 {
		return []string{t.name}
	}
	var names []string
	for _, f := range t.found {
		names = append(names, f.Name)
	}
	return names
}

// size is that of all inputs as stored, bytes; what is not known counts nothing.
func (t *task) size() (sum int64) {
	for _, f := range t.found {
		sum += max(f.Size, 0)
	}
	return sum
}

// id is a name for the capture that depends on the names of its inputs alone.
func (t *task) id() string {
	sum := sha256.Sum256([]byte(strings.Join(t.names(), "\n")))
	return "part-" + hex.EncodeToString(sum[:8])
}

// eachFormat names the layout of the manifest over parts.
const eachFormat = "recap-each/1"

// An eachManifest is the manifest.json of a directory with one part for each capture.
type eachManifest struct {
	Format      string         `json:"format"`
	Tool        export.Tool    `json:"tool"`
	Complete    bool           `json:"complete"`
	Interrupted bool           `json:"interrupted"`
	Shard       *shardOf       `json:"shard,omitempty"` // of one call among several
	Options     map[string]any `json:"options"`
	Total       eachTotal      `json:"total"`
	Parts       []eachPart     `json:"parts"`
	Skipped     []eachSkipped  `json:"skipped"` // by name
}

// An eachSkipped was found and is no part.
type eachSkipped struct {
	Name  string `json:"name"`
	Cause string `json:"cause"`
}

// skip lists what was skipped. Shards that find the same name it once.
func (m *eachManifest) skip(more []eachSkipped) {
	m.Skipped = append(m.Skipped, more...)
	slices.SortFunc(m.Skipped, func(a, b eachSkipped) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Cause, b.Cause))
	})
	m.Skipped = slices.Compact(m.Skipped)
}

// eachTotal sums the parts up.
type eachTotal struct {
	Parts    int   `json:"parts"`
	Complete int   `json:"complete"`
	Failed   int   `json:"failed"` // nothing came of them
	Size     int64 `json:"size"`
	Packets  int64 `json:"packets"`
	Pairs    int64 `json:"pairs"`
	Flows    int64 `json:"flows"`
}

// An eachPart is one capture and what became of it.
type eachPart struct {
	Index    int      `json:"index"`            // among all captures of the batch, from 0
	Part     string   `json:"part"`             // directory below this one, or name in the dataset
	Input    string   `json:"input"`            // as it was named or found
	Inputs   []string `json:"inputs,omitempty"` // all of a set
	Size     int64    `json:"size"`
	SHA256   *string  `json:"sha256"` // null for a set
	Complete bool     `json:"complete"`
	ExitCode int      `json:"exit_code"` // that extract on this capture alone would have
	Packets  int64    `json:"packets"`
	Pairs    int64    `json:"pairs"`
	Flows    int64    `json:"flows"`
	File     string   `json:"manifest_file,omitempty"` // where it is not manifest.json in the part's directory
	Manifest *string  `json:"manifest_sha256"`         // null where there is none
	Error    string   `json:"error,omitempty"`
}

// manifestFile is the part's manifest below the directory.
func (p *eachPart) manifestFile() string {
	if p.File != "" {
		return p.File
	}
	return path.Join(p.Part, export.ManifestName)
}

// sumUp fills what follows from the parts.
func (m *eachManifest) sumUp() {
	m.Complete, m.Total = !m.Interrupted, eachTotal{}
	t := &m.Total
	for _, p := range m.Parts {
		t.Parts++
		t.Size, t.Packets, t.Pairs, t.Flows = t.Size+p.Size, t.Packets+p.Packets, t.Pairs+p.Pairs, t.Flows+p.Flows
		if p.Complete {
			t.Complete++
		}
		if p.Manifest == nil {
			t.Failed++
		}
		m.Complete = m.Complete && p.Complete
	}
}

func (m *eachManifest) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(m)
	return b.Bytes(), err
}

// listTasks finds the inputs behind the arguments. What cannot be found is a task
// that has failed. Readings share shift, so that an offset for one of many is found.
func (r *reading) listTasks(ctx context.Context, args []string, shift *shifting, sets bool) ([]*task, error) {
	var tasks []*task
	seen := map[string]string{}
	for _, arg := range args {
		if arg == "-" {
			return nil, errEachStdin()
		}
		found, err := reader.List(ctx, []string{arg}, r.readerOptions(ctx))
		if ctx.Err() != nil {
			return nil, errInterrupted("")
		}
		if err != nil {
			name := blob.SafeName(arg)
			tasks = append(tasks, &task{part: partName(name, name), name: name, err: err})
			continue
		}
		for _, f := range found {
			t := &task{part: partName(arg, f.Name), name: f.Name, found: []reader.Found{f}}
			name := filepath.Clean(f.Name)
			if other, twice := seen[name]; twice && other == t.part {
				r.skipped = append(r.skipped, skipped{f.Name, "named twice"})
				continue
			}
			seen[name] = t.part
			shift.of(f.Name)
			tasks = append(tasks, t)
		}
	}
	if sets {
		tasks = r.joinRotations(ctx, joinSets(tasks))
	}
	parts := map[string]string{}
	for i, t := range tasks {
		t.index = i
		if other, twice := parts[t.part]; twice {
			return nil, errSamePart(t.part, other, t.name)
		}
		parts[t.part] = t.name
	}
	return tasks, shift.check()
}

// partName is the directory for an input that was found behind an argument: its
// name, and the directories below the one that was named, so that it does not depend
// on what else there is.
func partName(arg, name string) string {
	arg, _, _ = strings.Cut(strings.TrimPrefix(arg, "file://"), "?")
	above := filepath.ToSlash(arg)
	if i := strings.IndexAny(above, "*["); i >= 0 {
		above = above[:strings.LastIndexByte(above[:i], '/')+1]
	}
	name = filepath.ToSlash(strings.TrimPrefix(name, "file://"))
	rest, below := strings.CutPrefix(name, strings.TrimSuffix(above, "/")+"/")
	if above == "" || above == "." || above == "./" {
		rest, below = name, true
	}
	rest = path.Clean(rest)
	if !below || name == above || !filepath.IsLocal(filepath.FromSlash(rest)) || rest == "." {
		rest = path.Base(name)
	}
	if rest == export.ManifestName || !filepath.IsLocal(filepath.FromSlash(rest)) || rest == "." {
		rest = "input-" + strings.Trim(rest, "./")
	}
	return rest
}

// runTasks extracts every task that is not done.
func (c *extractCommand) runTasks(cmd *cobra.Command, args []string, o writeOptions, opt pipeline.Options) error {
	r := c.reading(cmd, args, opt, newShifting(&c.limits.offsets))
	if err := r.checkFlags(); err != nil {
		return err
	}
	if len(args) == 0 {
		return errNoInput(cmd.CommandPath())
	}
	if c.follow.each {
		return c.runEach(cmd, r, o)
	}
	return c.resumeOne(cmd, r, o, opt)
}

// take fills the part with what its own manifest says.
func (p *eachPart) take(m *export.Manifest, at export.Place) {
	p.Complete, p.Pairs, p.Flows = m.Complete, m.Pairs.Total, m.Flows
	for _, in := range m.Inputs {
		p.Size, p.Packets = p.Size+in.Size, p.Packets+in.Packets
	}
	if len(m.Inputs) == 1 {
		p.SHA256 = m.Inputs[0].SHA256
	}
	if sum, err := hashOf(at, p.manifestFile()); err == nil {
		p.Manifest = &sum
	}
}

// hashOf returns the SHA-256 of a file in hex.
func hashOf(at export.Place, name string) (string, error) {
	f, _, err := at.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxManifest)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func tool() export.Tool {
	return export.Tool{Name: "recap", Version: toolVersion, Commit: sourceRevision(), Go: runtime.Version()}
}

// differentOption returns the name of the first option that is not the same; both
// are compared as JSON, which one of them has been.
func differentOption(was, is map[string]any) (string, error) {
	names := map[string]bool{}
	for name := range was {
		names[name] = true
	}
	for name := range is {
		names[name] = true
	}
	for _, name := range sortedKeys(names) {
		a, err := json.Marshal(was[name])
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(is[name])
		if err != nil {
			return "", err
		}
		if !bytes.Equal(a, b) {
			return name, nil
		}
	}
	return "", nil
}
