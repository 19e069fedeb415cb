package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"recap/export"
	"recap/pipeline"
	"recap/pipeline/tls"
	"recap/reader/blob"
	"recap/reader/packet"
)

// This file and report.go own every word that recap prints while it works: errors,
// warnings and hints are here, what it found is there. (What --help prints stands
// beside the flags and commands it explains.) Whatever comes out of a capture, a
// file name or an argument passes printable on its way out.

// ui is where recap speaks: data goes to out, words for people go to err.
type ui struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func (u *ui) errorf(format string, args ...any) { u.say("error", format, args...) }
func (u *ui) warnf(format string, args ...any)  { u.say("warning", format, args...) }
func (u *ui) hintf(format string, args ...any)  { u.say("hint", format, args...) }

func (u *ui) say(kind, format string, args ...any) {
	fmt.Fprintf(u.err, "recap: %s: %s\n", kind, printable(withoutQueries(fmt.Sprintf(format, args...))))
}

// queries are what follows a question mark in URLs, where signatures stand.
var queries = regexp.MustCompile(`([a-z0-9]://[^\s?#"']*)[?#][^\s"']*`)

// withoutQueries is the last line of defence: names are made safe where they come in.
func withoutQueries(text string) string { return queries.ReplaceAllString(text, "$1") }

// fail prints err and what to type next; joined errors get a line each.
func (u *ui) fail(err error) {
	if err == nil {
		return
	}
	var f *failure
	hint := ""
	if errors.As(err, &f) {
		if f.err == nil {
			return
		}
		err, hint = f.err, f.hint
	}
	// errors.Join puts one error on a line; fmt.Errorf with two %w does not.
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, e := range joined.Unwrap() {
			u.fail(e)
		}
	} else {
		u.errorf("%v", err)
		if hint == "" {
			hint = hintFor(err)
		}
	}
	if hint != "" {
		u.hintf("%s", hint)
	}
}

// hintFor finds what to try after an error of the packages below.
func hintFor(err error) string {
	var at *packet.Error
	switch {
	case errors.As(err, &at) && at.Saved+at.Hint != "":
		return joinHints(at.Saved, at.Hint)
	case errors.Is(err, fs.ErrNotExist):
		return "check the name; INPUT may also be a directory, a glob in quotes, or - for standard input"
	case errors.Is(err, fs.ErrPermission):
		return "recap only reads its inputs; let this user read them, or pipe the capture in with - as INPUT"
	}
	return ""
}

func joinHints(saved, hint string) string {
	// Libraries know no flags: here each limit gets the name of its flag.
	for _, l := range [...]struct{ limit, flag string }{
		{"limit for packets", "--max-packet"},
		{"limit for blocks", "--max-block"},
		{"limit for input bytes", "--max-input-bytes"},
		{"limit for the zstd window", "--file-zstd-window"},
	} {
		if before, after, found := strings.Cut(hint, l.limit); found {
			hint = before + l.limit + " (" + l.flag + ")" + after
		}
	}
	if saved != "" && hint != "" {
		return saved + "; " + hint
	}
	return saved + hint
}

// Errors of usage.

func errNoCommand() error {
	return wrong("recap extract capture.pcap writes the pairs of a capture; recap help lists the commands", "no command given")
}

func errUnknownCommand(name string, similar []string) error {
	hint := "recap help lists the commands"
	if len(similar) > 0 {
		hint = "did you mean recap " + orList(similar) + "?"
	}
	return wrong(hint, "unknown command %q", name)
}

func errShell(command string) error {
	return wrong(command+" bash, zsh, fish or powershell prints the script; its --help tells how to load it", "name a shell")
}

func errFlag(command string, err error) error {
	return wrong(command+" --help lists the flags", "%w", err)
}

func errNoInput(command string) error {
	return wrong("name a capture file, a directory, a glob in quotes, or - for standard input: "+command+" capture.pcap", "no INPUT given")
}

func errTooMany(command, want string) error {
	return wrong(command+" --help shows the usage", "want %s", want)
}

func errWorkers(command string) error {
	return wrong(command+" --help lists the flags", "--workers must not be negative")
}

func errSplitMerge() error {
	return wrong("leave one of them out", "--split-tunnels and --merge-tunnels exclude each other")
}

func errStdoutFormat(formats []string) error {
	return wrong("choose one line format: --format jsonl --out -", "--out - writes one line format, not %s", andList(formats))
}

func errStdoutBodies() error {
	return wrong("leave --bodies-dir out, or choose a directory with --out", "--bodies-dir does not go with --out -")
}

func errRedactedBodies() error {
	return wrong("leave --bodies-dir out, or use --redact headers", "--redact strict drops bodies: --bodies-dir would stay empty")
}

func errKeylog(name string, err error) error {
	return wrong("check the name given with --keylog", "key log %s: %w", name, cause(err))
}

func errRedactKey(name string, err error) error {
	return wrong("any file with some random bytes will do; keep it secret, and keep it for the next time", "--redact-key %s: %w", name, cause(err))
}

func errWhere(err error) error {
	return wrong(`an example: --where 'response.status >= 500 && request.host endsWith ".corp"'`, "--%s", firstLine(err))
}

func errBPF(err error) error {
	return wrong("an example: --bpf 'tcp port 80 and not host 10.0.0.1'", "--bpf: %w", err)
}

func errProfile(err error) error { return wrong("", "profile: %w", err) }

func errNotEmpty(dir string, err error) error {
	if w, ok := errors.AsType[*export.WriteError](err); ok {
		err = w.Err
	}
	return wrong("choose another directory with --out, or write into this one with --overwrite", "%s: %w", dir, err)
}

func errNoManifest(dir string, err error) error {
	hint := "a directory without manifest.json is not finished: run recap extract again"
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("no manifest.json")
	}
	return wrong(hint, "%s: %w", dir, cause(err))
}

func errNoSuchClock(name string, inputs []string) error {
	there := ""
	if len(inputs) > shownSkipped {
		inputs = append(inputs[:shownSkipped:shownSkipped], "more")
	}
	if len(inputs) > 0 {
		there = "; there is " + andList(inputs)
	}
	return wrong("name an input as it is given, or by the end of its name", "--clock-offset %s: no input is called so%s", name, there)
}

func errSeveralClocks(name string, inputs []string) error {
	return wrong("name them as they are listed: one --clock-offset for each", "--clock-offset %s: several inputs are called so: %s", name, andList(inputs[:min(len(inputs), shownSkipped)]))
}

func errNoneSelected(n int) error {
	return wrong("recap info --list INPUT without the selection shows what is there", "the selection leaves nothing to read: %s left out", many(n, "file", "files"))
}

// Errors of --each and --resume.

func errNegative(flag string) error {
	return wrong("recap extract --help lists the flags", "--%s must not be negative", flag)
}

func errWithoutEach() error {
	return wrong("add --each: every input is a capture of its own then", "--partition, --jobs and --shard are about many captures")
}

func errShardIndex(name, text string, of int) error {
	return wrong("name the shard itself, as in --shard 0/"+fmt.Sprint(of), "%s is %q, not a shard from 0 to %d", name, text, of-1)
}

func errNoShardIndex(of int) error {
	return wrong("name the shard itself, as in --shard 0/"+fmt.Sprint(of), "--shard leaves out which, and %s is not set", orList(indexVariables))
}

func errStrange(name string) error {
	return wrong("remove it, or extract into another directory: whoever reads the dataset reads it too", "%s: no manifest lists it", name)
}

func errMerge(dir string, err error) error {
	return wrong("every shard of one call must have ended; run those that are missing, with --resume", "%s: %w", dir, err)
}

func errOtherShards(name string, of, want int) error {
	return wrong(fmt.Sprintf("choose another directory with --out, or remove the manifests of the other shards first: %s", pattern(name, of)),
		"%s: it belongs to %d shards, not to %d", name, of, want)
}

// errMixedShards tells of shards of several calls in one place; byCount has their
// manifests.
func errMixedShards(at export.Place, byCount map[int][]string) error {
	var found, patterns []string
	for _, of := range slices.Sorted(maps.Keys(byCount)) {
		names := byCount[of]
		found = append(found, fmt.Sprintf("%d of %d shards", len(names), of))
		patterns = append(patterns, pattern(at.Path(names[0]), of))
	}
	return wrong("remove those that are not of this call: "+orList(patterns),
		"%s: manifests of shards that do not belong together: %s", at.Path(""), andList(found))
}

// pattern is what a shell takes for the manifests of all shards of a number, of which
// name is one.
func pattern(name string, of int) string {
	return name[:strings.LastIndex(name, shardPrefix)] + shardPrefix + fmt.Sprintf("*-of-%05d.json", of)
}

func errEachStdin() error {
	return wrong("leave --each out, or name files", "--each does not go with standard input as INPUT")
}

func errEachStdout() error {
	return wrong("choose a directory with --out", "--each and --resume do not go with --out -")
}

func errSamePart(part, a, b string) error {
	return wrong("name the directory above them instead: what is below it keeps its place", "%s and %s would both be written to %s", a, b, part)
}

func errResumeOverwrite() error {
	return wrong("leave one of them out", "--resume and --overwrite exclude each other")
}

func errResumeStdin() error {
	return wrong("leave --resume out, or name files", "--resume does not go with standard input as INPUT")
}

func errResume(dir string, err error) error {
	return wrong("use the inputs and options of the first call, or choose another directory with --out", "%s cannot be resumed: %w", dir, err)
}

// Errors of slice.

func errNothingChosen() error {
	return wrong("choose pairs with --pair ID (ids stand in pairs.parquet and pairs.jsonl) or with --where EXPR", "no pair chosen")
}

func errNoOut() error {
	return wrong("name a file with --out, as in --out slice.pcapng; - is standard output", "no --out given")
}

func errTerminal() error {
	return wrong("choose a file with --out, or pipe it on, for example into tshark -r -", "--out - would write pcapng to the terminal")
}

func errPairID(err error) error {
	return wrong("ids stand in pairs.parquet and pairs.jsonl", "--pair %w", err)
}

func errExists(name string) error {
	return wrong("choose another file with --out, or replace this one with --overwrite", "%s: it is there already", name)
}

func errManifestOptions(dir string, err error) error {
	return wrong("the manifest was changed, or another version of recap wrote it: run recap extract again", "%s: manifest.json: options: %w", dir, err)
}

func errRows(dir string, err error) error {
	return wrong("recap verify "+dir+" tells whether its files are as extract wrote them", "%s: %w", dir, err)
}

func errNoHeads(dir string) error {
	return wrong("run recap extract with --format parquet too", "%s: --where asks for heads, and pairs.jsonl does not hold all of them", dir)
}

func errNoPair(dir string, missing map[string]bool) error {
	ids := sortedKeys(missing)
	text := andList(ids[:min(len(ids), shownSkipped)])
	if more := len(ids) - shownSkipped; more > 0 {
		text += " and " + count(more) + " more"
	}
	return wrong("ids stand in pairs.parquet and pairs.jsonl of that directory; another capture, or other options, give other ids", "%s: no pair %s", dir, text)
}

func errNoneChosen(dir string) error {
	return wrong("recap extract with the same --where shows what it chooses", "%s: --where chose no pair", dir)
}

func errInputGone(name string, err error) error {
	hint := "if it was moved, say where to with --inputs DIR"
	if blob.IsURL(name) {
		hint += ", or a URL with a signature that is valid now"
	}
	if errors.Is(err, errWasStdin) || errors.Is(err, errNoHash) {
		hint = "keep the capture in a file, run recap extract on that to the end, and slice its output"
	}
	return wrong(hint, "input %s: %w", name, err)
}

func errInputChanged(name string, err error) error {
	return wrong("the packets of a pair are found by their numbers: bring back the capture that was read, or run recap extract again", "input %s: %w", name, err)
}

func errSameInput(name, a, b string) error {
	return wrong("keep the captures below --inputs in directories as they were", "inputs %s and %s are both found as %s", a, b, name)
}

func errNotFound(c *chosenFlow) error {
	return wrong("this is a fault in recap, or the directory's files do not belong together; recap verify tells", "no packet found of connection %s", c.id)
}

// errOutput is a failure to write.
func errOutput(err error) error {
	f := &failure{code: exitOutput, hint: "check free space and permissions, or choose another place with --out; without a manifest an output is not finished"}
	if w, ok := errors.AsType[*export.WriteError](err); ok {
		f.err = fmt.Errorf("cannot write %s: %w", w.Path, cause(w.Err))
		if w.Written > 0 {
			f.err = fmt.Errorf("%w, after %s bytes", f.err, count(w.Written))
		}
	} else {
		f.err = fmt.Errorf("cannot write: %w", err)
	}
	return f
}

// errInterrupted ends a command that a signal stopped.
func errInterrupted(partial string) error {
	hint := ""
	if partial != "" {
		hint = partial + " holds what was finished before, and its manifest says that it is partial"
	}
	return &failure{code: exitInterrupted, err: errors.New("interrupted"), hint: hint}
}

// cause strips the operation and names that package os puts before an error.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// firstLine leaves out the pictures that an expression compiler draws.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Warnings.

func (u *ui) warnKeylogMode(name string, mode fs.FileMode) {
	u.warnf("key log %s can be read by other users (mode %04o): chmod 600 keeps it private", name, mode)
}

func (u *ui) warnKeylogLines(name string, n int) {
	u.warnf("key log %s: lines left out because they are not in the NSS key log format: %s", name, count(n))
}

func (u *ui) warnKeylogFull(name string, n int) {
	u.warnf("key log %s: lines left out because %s secrets are the limit: %s", name, count(tls.MaxSecrets), count(n))
}

func (u *ui) warnLowered(flag, wanted string, to int64) {
	u.warnf("--%s %s does not fit the memory: %s is in force; --mem makes more room", flag, wanted, bytesText(to))
}

// shownSkipped bounds the files that the summary names as skipped.
const shownSkipped = 5

// shownDamage bounds the damage lines of one input; the manifest lists more.
const shownDamage = 5

// damage prints what was cut, corrupt or skipped, and reports whether there was any.
func (u *ui) damage(inputs []*packet.Input) bool {
	found := false
	for _, in := range inputs {
		found = found || in.DamageCount > 0
		for i, e := range in.Damage {
			if i == shownDamage {
				break
			}
			u.errorf("%v", e)
			if hint := joinHints(e.Saved, e.Hint); hint != "" {
				u.hintf("%s", hint)
			}
		}
		if more := in.DamageCount - int64(min(len(in.Damage), shownDamage)); more > 0 {
			u.errorf("%s: %s", in.Name, many(more, "more damaged place", "more damaged places"))
		}
	}
	return found
}

// verdict prints why a finished reading is not whole and returns the exit code for it.
func (u *ui) verdict(inputs []*packet.Input, stats *pipeline.Stats, strict bool) error {
	code := exitOK
	if u.damage(inputs) || stats.Incomplete {
		code = exitIncomplete
	}
	if packets, payload := stats.Ledger.Balance(); packets != 0 || payload != 0 {
		u.errorf("the ledger does not balance: %s packets and %s payload bytes are unaccounted for", count(packets), count(payload))
		u.hintf("this is a fault in recap; please report it, with the capture if you may")
		code = exitIncomplete
	}
	if code == exitIncomplete && strict {
		u.errorf("the input is not whole, and --strict makes that a failure")
		code = exitFailure
	}
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}
