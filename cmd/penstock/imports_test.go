package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The borders between our packages: the first may not import anything below the second, not even
// by way of others.
var borders = []struct{ from, to, why string }{
	{"penstock/query", "penstock/engine", "query is a function from text to plan"},
	{"penstock/query", "penstock/storage", "query and storage never meet"},
	{"penstock/query", "penstock/cmd", "cmd wires, nothing imports it"},
	{"penstock/storage", "penstock/query", "query and storage never meet"},
	{"penstock/storage", "penstock/engine", "storage keeps bytes and knows nothing of who does"},
	{"penstock/storage", "penstock/cmd", "cmd wires, nothing imports it"},
	{"penstock/engine", "penstock/cmd", "cmd wires, nothing imports it"},
	{"penstock/engine/core", "penstock/storage", "the core is a state machine without a disk"},
	{"penstock/engine/reference", "penstock/engine/core", "a check that shares code with what it checks proves nothing"},
	{"penstock/engine/reference", "penstock/storage", "the reference keeps everything in memory"},
}

// The doors: each outside library is imported by one of our packages only. "below" lets in the
// packages under it too.
var doors = []struct {
	outside string // the import path, and everything below it
	door    string
	below   bool
}{
	{"github.com/alecthomas/participle", "penstock/query/syntax", false},
	{"github.com/cockroachdb/pebble", "penstock/storage", false},
	{"github.com/lovoo/goka", "penstock/engine", false},
	{"github.com/IBM/sarama", "penstock/engine", false},
	{"github.com/twmb/franz-go/pkg/kfake", "penstock/engine/broker", false},
	{"github.com/chzyer/readline", "penstock/cmd/penstock", true},
	{"github.com/spf13/cobra", "penstock/cmd/penstock", false},
	{"github.com/BurntSushi/toml", "penstock/cmd/penstock", false},
	{"golang.org/x/term", "penstock/cmd/penstock", true},
	{"github.com/prometheus/client_golang", "penstock/engine/httpapi", false},
	{"github.com/mattn/go-runewidth", "penstock/cmd/penstock", true},
}

// What only some packages may do. A plan must not depend on when or where it was made, and the
// core must give the same results in a test as on a cluster.
var pure = []string{"query", filepath.Join("engine", "core"), filepath.Join("engine", "format"), filepath.Join("engine", "reference")}

// impureImports may not be imported, impureCalls not be called, by pure packages.
var (
	impureImports = []string{"os", "net", "net/http", "math/rand", "math/rand/v2", "crypto/rand", "os/exec", "syscall"}
	impureCalls   = map[string]bool{
		"time.Now": true, "time.Since": true, "time.Until": true, "time.Sleep": true, "time.After": true,
		"time.AfterFunc": true, "time.NewTimer": true, "time.NewTicker": true, "time.Tick": true,
	}
)

type listedPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// listPackages asks the go command for every package of the module.
func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps=false", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// within tells whether a package is the named one or below it.
func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

func TestBorders(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 3 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		for _, b := range borders {
			for _, dep := range p.Deps {
				if within(p.ImportPath, b.from) && within(dep, b.to) {
					t.Errorf("%s imports %s (perhaps by way of another): %s", p.ImportPath, dep, b.why)
				}
			}
		}
	}
}

func TestDoors(t *testing.T) {
	for _, p := range listPackages(t) {
		for _, d := range doors {
			through := p.ImportPath == d.door || d.below && within(p.ImportPath, d.door)
			// The bench measures the libraries themselves.
			through = through || p.ImportPath == "penstock/engine/bench"
			for _, imported := range p.Imports {
				if within(imported, d.outside) && !through {
					t.Errorf("%s imports %s, which enters by %s only", p.ImportPath, imported, d.door)
				}
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	for _, dir := range pure {
		root := filepath.Join("..", "..", dir)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, problem := range impurities(t, path) {
				t.Error(problem)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// impurities lists what a file of a pure package does and may not.
func impurities(t *testing.T, path string) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var problems []string
	add := func(n ast.Node, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: %s", files.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	for _, spec := range file.Imports {
		for _, name := range impureImports {
			if strings.Trim(spec.Path.Value, `"`) == name {
				add(spec, "imports %s in a pure package", name)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine in a pure package")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && impureCalls[x.Name+"."+n.Sel.Name] {
				add(n, "uses %s.%s in a pure package", x.Name, n.Sel.Name)
			}
		}
		return true
	})
	return problems
}
