package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"recap/export"
)

// shardOf is a flag such as 2/8: the third of eight shares of a batch. It is a
// pflag.Value. The zero value is no sharing.
type shardOf struct {
	Index int  `json:"index"`
	Of    int  `json:"of"`
	open  bool // the index is yet to come
}

func (s *shardOf) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Of)
}

// Type names the value in --help.
func (s *shardOf) Type() string { return "I/N" }

// maxShards bounds the files of one batch.
const maxShards = 100_000

// Set parses text; on failure s keeps its value.
func (s *shardOf) Set(text string) error {
	i, n, ok := strings.Cut(text, "/")
	of, err := strconv.Atoi(n)
	if !ok || err != nil || of < 1 || of > maxShards {
		return errors.New("it must be the number of a shard, from 0, and how many there are, as in 2/8")
	}
	next := shardOf{Of: of, open: i == ""}
	if !next.open {
		if next.Index, err = strconv.Atoi(i); err != nil || next.Index < 0 || next.Index >= of {
			return fmt.Errorf("%q is not a shard from 0 to %d", i, of-1)
		}
	}
	*s = next
	return nil
}

// indexVariables say which of an array of jobs this is: Kubernetes (Indexed Jobs)
// and Azure Batch count from 0 in these, and AWS Batch in the last.
var indexVariables = []string{"JOB_COMPLETION_INDEX", "AZ_BATCH_TASK_ID", "AWS_BATCH_JOB_ARRAY_INDEX"}

// complete takes an index that was left out from the environment.
func (s *shardOf) complete(getenv func(string) string) error {
	if !s.open {
		return nil
	}
	for _, name := range indexVariables {
		text := getenv(name)
		if text == "" {
			continue
		}
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= s.Of {
			return errShardIndex(name, text, s.Of)
		}
		s.Index, s.open = i, false
		return nil
	}
	return errNoShardIndex(s.Of)
}

// choose returns the tasks of this shard. The largest are dealt first, each to the
// shard that has least so far, so that all have about the same; the result depends
// on names and sizes alone.
func (s *shardOf) choose(tasks []*task) []*task {
	order := slices.Clone(tasks)
	slices.SortStableFunc(order, func(a, b *task) int {
		return cmp.Or(cmp.Compare(b.size(), a.size()), cmp.Compare(a.id(), b.id()))
	})
	load := make([]int64, s.Of)
	var mine []*task
	for _, t := range order {
		least := 0
		for i := range load {
			if load[i] < load[least] {
				least = i
			}
		}
		// What opening a capture costs counts as well, so that empty ones are dealt out too.
		load[least] += t.size() + 1<<16
		if least == s.Index {
			mine = append(mine, t)
		}
	}
	slices.SortFunc(mine, func(a, b *task) int { return cmp.Compare(a.index, b.index) })
	return mine
}

const shardPrefix = "manifest-shard-"

// manifest is the file in which one shard tells what it did.
func (s *shardOf) manifest() string {
	return fmt.Sprintf("%s%05d-of-%05d.json", shardPrefix, s.Index, s.Of)
}

// shardName has the number of a shard and how many there are.
var shardName = regexp.MustCompile(`^` + shardPrefix + `(\d{5,6})-of-(\d{5,6})\.json$`)

// shardManifests lists the manifests of shards in a place, by how many shards there are
// of each call, and counts them.
func shardManifests(at export.Place) (byCount map[int][]string, n int, err error) {
	names, err := at.List()
	if err != nil {
		return nil, 0, cause(err)
	}
	byCount = map[int][]string{}
	for _, name := range names {
		if m := shardName.FindStringSubmatch(name); m != nil {
			of, _ := strconv.Atoi(m[2]) // six digits at most
			byCount[of] = append(byCount[of], name)
			n++
		}
	}
	return byCount, n, nil
}

// otherShards refuses a place in which shards of another number have worked: together
// they can never be one dataset.
func (b *batch) otherShards() error {
	byCount, _, err := shardManifests(b.at)
	if err != nil {
		return errOutput(&export.WriteError{Path: b.at.Path(""), Err: err})
	}
	for _, of := range slices.Sorted(maps.Keys(byCount)) {
		if want := b.c.batch.shard.Of; of != want {
			return errOtherShards(b.at.Path(byCount[of][0]), of, want)
		}
	}
	return nil
}

// joinShards makes the place ready for one shard among others that work in it now.
func (b *batch) joinShards() error {
	if err := b.otherShards(); err != nil {
		return err
	}
	name := b.c.batch.shard.manifest()
	if b.o.overwrite {
		b.at.Join()
		for _, name := range []string{name, export.ManifestName} {
			if err := b.at.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return errOutput(&export.WriteError{Path: b.at.Path(name), Err: err})
			}
		}
		return nil
	}
	for _, name := range []string{name, export.ManifestName} {
		f, _, err := b.at.Open(name)
		if err == nil {
			f.Close()
			return errNotEmpty(b.at.Path(""), fmt.Errorf("%w (%q is in it)", export.ErrNotEmpty, name))
		}
	}
	return nil
}
