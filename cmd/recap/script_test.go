package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"recap/reader/pcaptest"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"recap":  main,
		"mkpcap": mkpcap,
		"pick":   pick,
	})
}

// TestScript drives the real main by the scripts below testdata. Beside the
// commands of testscript they have:
//
//	mkpcap [-cut N] [-ng] [-nano] [-bigendian] [-gzip] FLOWS CAPTURE
//	pick PATH...            of each JSON value on standard input, print these fields
//	exits CODE COMMAND...   run COMMAND and want this exit code
//	clean stdout|ttyout|…   want nothing but what prints, and line ends
//	nokeys KEYS NAME...     want no secret of the key log (or capture with one) in these files and folders
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			// What no editor shows: for names that would steer a terminal.
			env.Setenv("ESC", "\x1b")
			env.Setenv("BEL", "\a")
			captures, err := filepath.Abs(filepath.Join("..", "..", "testdata", "captures"))
			env.Setenv("CAPTURES", captures)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"clean":  clean,
			"nokeys": noKeys,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root": // permissions do not bind
				return os.Geteuid() == 0, nil
			case "devfull":
				_, err := os.Stat("/dev/full")
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// noKeys wants the secrets of a key log nowhere: not in hex, not as bytes.
func noKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nokeys KEYS NAME...")
	}
	var secrets [][]byte
	for _, line := range regexp.MustCompile(`[A-Z_0-9]+ [0-9a-fA-F]{64} ([0-9a-fA-F]{64,96})\b`).FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		raw, err := hex.DecodeString(line[1])
		ts.Check(err)
		secrets = append(secrets, raw, []byte(strings.ToLower(line[1])), []byte(base64.StdEncoding.EncodeToString(raw)))
	}
	if len(secrets) == 0 {
		ts.Fatalf("%s holds no secrets", args[0])
	}
	look := func(name string, b []byte) {
		for _, s := range secrets {
			if bytes.Contains(b, s) || bytes.Contains(bytes.ToLower(b), s) {
				ts.Fatalf("%s holds a secret of %s", name, args[0])
			}
		}
	}
	for _, name := range args[1:] {
		if name == "stdout" || name == "stderr" {
			look(name, []byte(ts.ReadFile(name)))
			continue
		}
		ts.Check(filepath.WalkDir(ts.MkAbs(name), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				var b []byte
				if b, err = os.ReadFile(path); err == nil {
					look(path, b)
				}
			}
			return err
		}))
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", args[1], got, want)
	}
}

// clean holds a stream against the set of bytes that cannot steer a terminal.
func clean(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: clean stdout|stderr|ttyout|FILE")
	}
	text := ts.ReadFile(args[0])
	if args[0] == "ttyout" { // terminals end lines so
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	for i, r := range text {
		if r != '\n' && printable(string(r)) != string(r) {
			ts.Fatalf("%s: byte %d: %q", args[0], i, r)
		}
	}
}

// mkpcap writes the capture that a text describes; package pcaptest documents the text.
func mkpcap() {
	cut := flag.Int("cut", 0, "drop the last `N` bytes")
	ng := flag.Bool("ng", false, "write pcapng")
	nano := flag.Bool("nano", false, "write pcap with nanosecond times")
	big := flag.Bool("bigendian", false, "write the file's own fields in big-endian order")
	zip := flag.Bool("gzip", false, "compress the file")
	flag.Parse()
	opts := []pcaptest.Option{pcaptest.Cut(*cut)}
	if *ng {
		opts = append(opts, pcaptest.Pcapng())
	}
	if *nano {
		opts = append(opts, pcaptest.Nano())
	}
	if *big {
		opts = append(opts, pcaptest.BigEndian())
	}
	if err := makeCapture(flag.Arg(0), flag.Arg(1), *zip, opts); err != nil {
		fmt.Fprintln(os.Stderr, "mkpcap:", err)
		os.Exit(1)
	}
}

func makeCapture(from, to string, zip bool, opts []pcaptest.Option) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	file, err := pcaptest.BuildErr(string(text), opts...)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if zip {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(file); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		file = b.Bytes()
	}
	return os.WriteFile(to, file, 0o600)
}

// pick prints fields of JSON values, one value to a line, so that a script
// compares what it is about and not the whole record.
func pick() {
	d := json.NewDecoder(os.Stdin)
	d.UseNumber()
	for {
		var value any
		switch err := d.Decode(&value); {
		case err == io.EOF:
			return
		case err != nil:
			fmt.Fprintln(os.Stderr, "pick:", err)
			os.Exit(1)
		}
		for i, path := range os.Args[1:] {
			if i > 0 {
				fmt.Print(" ")
			}
			fmt.Print(field(value, strings.Split(path, ".")))
		}
		fmt.Println()
	}
}

// field follows a path of names and indexes; "len" is the length of a list.
func field(value any, path []string) string {
	if len(path) == 0 {
		text, _ := json.Marshal(value)
		return strings.Trim(string(text), `"`)
	}
	switch v := value.(type) {
	case map[string]any:
		if next, ok := v[path[0]]; ok {
			return field(next, path[1:])
		}
	case []any:
		if path[0] == "len" {
			return strconv.Itoa(len(v))
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(v) {
			return field(v[i], path[1:])
		}
	}
	return "?"
}
