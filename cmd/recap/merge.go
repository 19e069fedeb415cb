package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"recap/export"
)

const mergeHelp = `Join what the shards of one call have written into DIR (recap extract --each
--shard I/N -o DIR): their manifests become one manifest.json, the same as that of a
call without --shard. Every shard must have ended. DIR may be a URL.`

type mergeCommand struct {
	u      *ui
	chosen selection
}

func newMerge(u *ui) *cobra.Command {
	c := &mergeCommand{u: u}
	return &cobra.Command{
		Use:     "merge-manifests DIR",
		Short:   "Join the manifests of shards",
		Long:    mergeHelp,
		Example: "  recap merge-manifests dataset\n  recap merge-manifests azblob://results/2026-11-20",
		RunE:    oneDir(c.run),
	}
}

func (c *mergeCommand) run(ctx context.Context, dir string) error {
	at, err := openExisting(&c.chosen, dir)
	if err != nil {
		return errMerge(dir, cause(err))
	}
	defer at.Close()
	shown := at.Path("")
	names, err := oneCall(at)
	if err != nil {
		return err
	}
	var all *eachManifest
	seen := map[int]bool{}
	for _, name := range names {
		m, err := readEachManifest(at, name)
		if err == nil {
			err = joinShard(&all, m, seen)
		}
		if err != nil {
			return errMerge(at.Path(name), err)
		}
	}
	if err := missingShards(all, seen); err != nil {
		return errMerge(shown, err)
	}
	slices.SortFunc(all.Parts, func(a, b eachPart) int { return cmp.Compare(a.Index, b.Index) })
	for i, p := range all.Parts {
		if i > 0 && p.Index == all.Parts[i-1].Index {
			return errMerge(shown, fmt.Errorf("%s and %s have one number: the shards have not seen the same inputs", all.Parts[i-1].Input, p.Input))
		}
	}
	all.Shard = nil
	all.sumUp()
	text, err := all.encode()
	if err != nil {
		return err
	}
	at.Join()
	if err := export.NewPart(at, export.ManifestName).WriteLast(text); err != nil {
		return errOutput(err)
	}
	c.u.merged(shown, len(names), all)
	return nil
}

// oneCall returns the manifests of the shards of one call, in order.
func oneCall(at export.Place) ([]string, error) {
	byCount, n, err := shardManifests(at)
	switch {
	case err != nil:
		return nil, errMerge(at.Path(""), err)
	case n == 0:
		return nil, errMerge(at.Path(""), errors.New("no shard has written its manifest here"))
	case len(byCount) > 1:
		return nil, errMixedShards(at, byCount)
	}
	for _, names := range byCount {
		return names, nil
	}
	return nil, nil
}

// joinShard adds a shard to those before.
func joinShard(all **eachManifest, m *eachManifest, seen map[int]bool) error {
	if m.Shard == nil {
		return errors.New("it is not of a shard")
	}
	if *all == nil {
		*all = &eachManifest{Format: m.Format, Tool: m.Tool, Options: m.Options, Shard: m.Shard, Parts: []eachPart{}, Skipped: []eachSkipped{}}
	}
	a := *all
	if name, err := differentOption(a.Options, m.Options); err != nil || name != "" {
		return cmp.Or(err, fmt.Errorf("it was written with another --%s than the one before", name))
	}
	switch {
	case m.Interrupted:
		return errors.New("it was interrupted")
	case m.Shard.Of != a.Shard.Of:
		return fmt.Errorf("it is one of %d shards, the one before of %d", m.Shard.Of, a.Shard.Of)
	case m.Tool.Version != a.Tool.Version:
		return fmt.Errorf("version %s of recap wrote it, and %s the one before", m.Tool.Version, a.Tool.Version)
	case seen[m.Shard.Index]:
		return fmt.Errorf("shard %d is there twice", m.Shard.Index)
	}
	seen[m.Shard.Index] = true
	a.Parts = append(a.Parts, m.Parts...)
	a.skip(m.Skipped)
	return nil
}

func missingShards(all *eachManifest, seen map[int]bool) error {
	var missing []string
	for i := range all.Shard.Of {
		if !seen[i] {
			missing = append(missing, fmt.Sprint(i))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	shown := missing[:min(len(missing), shownSkipped)]
	return fmt.Errorf("%s of %d missing: %s", many(len(missing), "shard", "shards"), all.Shard.Of, andList(shown))
}
