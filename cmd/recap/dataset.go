package main

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"recap/export"
	"recap/export/all"
	"recap/reader/blob"
	"recap/reader/packet"
)

// This file lays the captures of a batch out as one table, in the way of Hive:
//
//	vm=web-1/date=2026-11-20/part-0123456789abcdef.parquet   pairs
//	_flows/vm=web-1/date=2026-11-20/part-….pq                and the same for other outputs
//	_manifests/part-0123456789abcdef.json                    of each capture
//	manifest.json                                            over all
//
// Engines pass over names that begin with an underscore, and of all files the pairs
// alone end in .parquet: whatever pattern somebody reads, it is one table.

// hive is the template that is asked for most.
const hive = "vm={vm}/date={date}"

// nullPartition is how Hive writes a value that there is not.
const nullPartition = "__HIVE_DEFAULT_PARTITION__"

// A layout says in which directory of a dataset a capture goes. It is a pflag.Value.
type layout struct{ text string }

func (t *layout) String() string { return t.text }

// Type names the value in --help.
func (t *layout) Type() string { return "TEMPLATE" }

// layoutWords are what a layout may have in braces.
var layoutWords = []string{"vm", "date", "hour", "subscription", "resource_group", "scale_set", "name"}

var (
	layoutForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*=([A-Za-z0-9_.-]|\{[a-z_]+\})+$`)
	layoutWord = regexp.MustCompile(`\{([a-z_]*)\}`)
)

// Set parses text; on failure t keeps its value.
func (t *layout) Set(text string) error {
	if text == "hive" {
		text = hive
	}
	text = strings.Trim(text, "/")
	seen := map[string]bool{}
	for level := range strings.SplitSeq(text, "/") {
		key, _, _ := strings.Cut(level, "=")
		switch {
		case !layoutForm.MatchString(level):
			return fmt.Errorf("%q must be a name and a value, as in %s", level, hive)
		case seen[strings.ToLower(key)]:
			return fmt.Errorf("%q is there twice", key)
		}
		seen[strings.ToLower(key)] = true
		for _, m := range layoutWord.FindAllStringSubmatch(level, -1) {
			if !strings.Contains(" "+strings.Join(layoutWords, " ")+" ", " "+m[1]+" ") {
				return fmt.Errorf("{%s} is not known; there are %s", m[1], andList(layoutWords))
			}
		}
	}
	for _, f := range export.PairSchema() {
		if seen[f.Name] {
			return fmt.Errorf("%q is a column of the pairs already", f.Name)
		}
	}
	t.text = text
	return nil
}

// needsTime reports whether the template asks when a capture began.
func (t *layout) needsTime() bool {
	return strings.Contains(t.text, "{date}") || strings.Contains(t.text, "{hour}")
}

// dir returns the directory for a capture whose first input is called name and whose
// first packet has the time firstNS.
func (t *layout) dir(name string, firstNS int64) string {
	p, known := blob.ParseWatcherPath(filepath.ToSlash(name))
	began := p.Start
	if !known && firstNS != packet.NoTime {
		began, known = time.Unix(0, firstNS).UTC(), true
	}
	words := map[string]string{
		"vm": p.VM, "subscription": p.Subscription, "resource_group": p.ResourceGroup, "scale_set": p.ScaleSet,
		"name": stem(name),
	}
	if known {
		words["date"], words["hour"] = began.Format(time.DateOnly), began.Format("15")
	}
	var levels []string
	for level := range strings.SplitSeq(t.text, "/") {
		null := false
		level = layoutWord.ReplaceAllStringFunc(level, func(w string) string {
			v := words[strings.Trim(w, "{}")]
			null = null || v == ""
			return hiveEscape(v)
		})
		if null {
			key, _, _ := strings.Cut(level, "=")
			level = key + "=" + nullPartition
		}
		levels = append(levels, level)
	}
	return strings.Join(levels, "/")
}

// stem is the name of a file without what marks captures and compression.
func stem(name string) string {
	base := path.Base(filepath.ToSlash(name))
	for _, c := range compressions {
		base = strings.TrimSuffix(base, c)
	}
	if s := strings.TrimSuffix(base, path.Ext(base)); s != "" {
		base = s
	}
	return base
}

// maxValue bounds a value in a path, bytes; file systems take 255 for a name.
const maxValue = 120

// hiveEscape writes what could be taken for structure as Hive does, %XX.
func hiveEscape(v string) string {
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~' || c == '@' || c == '+'
		if b.Len() > maxValue {
			break
		}
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// datasetName returns the file for one format of a capture.
func datasetName(f all.Format, dir, id string) string {
	switch f.Name {
	case "parquet":
		return path.Join(dir, id+".parquet")
	case "flows", "messages":
		return path.Join("_"+f.Name, dir, id+".pq")
	}
	return path.Join("_"+f.Name, dir, id+path.Ext(f.File))
}

// manifestsDir is where a dataset has the manifests of its captures.
const manifestsDir = "_manifests"

func datasetManifest(id string) string { return path.Join(manifestsDir, id+".json") }

// partID finds the capture that a file of a dataset belongs to.
var partID = regexp.MustCompile(`(?:^|/)(part-[0-9a-f]{16})\.[a-z]+(?:\.recap-tmp)?$`)
