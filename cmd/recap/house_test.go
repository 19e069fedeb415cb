package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// This file holds the house rules that a compiler does not know: docs/architecture.md
// gives the reasons.

// A source is one Go file of the module, tests and their helper packages left out.
type source struct {
	name string // from the module's root
	dir  string
	file *ast.File
}

func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	const root = "../.."
	fset := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == "testdata" || strings.HasSuffix(n, "test") || n != ".." && strings.HasPrefix(n, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		all = append(all, source{name: rel, dir: path.Dir(rel), file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d sources were found", len(all))
	}
	return fset, all
}

// TestImportsPointOneWay: cmd → {replay, export} → pipeline → reader. replay and export
// know two vocabularies only, and those know nothing of recap.
func TestImportsPointOneWay(t *testing.T) {
	const exchange, packet = "pipeline/exchange", "reader/packet"
	within := func(dir, room string) bool { return dir == room || strings.HasPrefix(dir, room+"/") }
	for _, tt := range []struct {
		room    string
		allowed []string // rooms
	}{
		{exchange, nil}, // the vocabularies come first: the first room that fits decides
		{packet, nil},
		{"reader", []string{"reader"}},
		{"pipeline", []string{"pipeline", packet}},
		{"export", []string{"export", exchange, packet}},
		{"replay", []string{"replay", exchange, packet}},
		{"cmd", []string{"cmd", "replay", "export", "pipeline", "reader"}},
	} {
		_, all := sources(t)
		for _, s := range all {
			if !within(s.dir, tt.room) || tt.room == "reader" && within(s.dir, packet) || tt.room == "pipeline" && within(s.dir, exchange) {
				continue
			}
			for _, i := range s.file.Imports {
				p, _ := strconv.Unquote(i.Path.Value)
				p, own := strings.CutPrefix(p, "recap/")
				ok := !own
				for _, a := range tt.allowed {
					ok = ok || within(p, a)
				}
				if !ok {
					t.Errorf("%s imports %s", s.name, p)
				}
			}
		}
	}
}

// TestNobodyReadsTheWallClock: what a capture gives must not depend on when it is read.
func TestNobodyReadsTheWallClock(t *testing.T) {
	clock := map[string]bool{"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true, "Tick": true,
		"NewTicker": true, "NewTimer": true, "Sleep": true, "Local": true}
	fset, all := sources(t)
	for _, s := range all {
		room, _, _ := strings.Cut(s.name, "/")
		if room != "reader" && room != "pipeline" && room != "export" {
			continue
		}
		name := importName(s.file, "time")
		if name == "." {
			t.Errorf("%s: a dot import of time hides what it reads", s.name)
		}
		if name == "" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && clock[sel.Sel.Name] {
				// A network that does not answer is waited for by a timer; it changes
				// when bytes come, not which.
				waits := strings.HasPrefix(s.name, "reader/blob/") && (sel.Sel.Name == "AfterFunc" || sel.Sel.Name == "NewTimer")
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && !waits {
					t.Errorf("%s: time.%s", fset.Position(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// importName returns the name under which f knows a package, "" if it does not import it.
func importName(f *ast.File, want string) string {
	for _, i := range f.Imports {
		if p, _ := strconv.Unquote(i.Path.Value); p == want {
			if i.Name != nil {
				return i.Name.Name
			}
			return path.Base(p)
		}
	}
	return ""
}

// TestLibrariesStartNothing: they do not print, exit, register flags, or work in init.
func TestLibrariesStartNothing(t *testing.T) {
	banned := map[string][]string{
		"os":  {"Exit", "Stdout", "Stderr"},
		"fmt": {"Print", "Println", "Printf"},
		"log": {"Print", "Println", "Printf", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf"},
	}
	fset, all := sources(t)
	for _, s := range all {
		if room, _, _ := strings.Cut(s.name, "/"); room == "cmd" || room == "docs" || s.file.Name.Name == "main" {
			continue
		}
		for pkg, list := range banned {
			name := importName(s.file, pkg)
			if name == "" {
				continue
			}
			ast.Inspect(s.file, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				x, ok := sel.X.(*ast.Ident)
				for _, f := range list {
					if ok && x.Name == name && sel.Sel.Name == f {
						t.Errorf("%s: %s.%s", fset.Position(sel.Pos()), pkg, f)
					}
				}
				return true
			})
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init", fset.Position(f.Pos()))
			}
		}
	}
}
