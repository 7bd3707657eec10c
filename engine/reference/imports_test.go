package reference

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSharesOnlyTheLanguage keeps the engine's way of computing out: what is compared with itself is
// always right.
func TestSharesOnlyTheLanguage(t *testing.T) {
	shared := []string{"penstock/engine/format", "penstock/query/expr", "penstock/query/plan", "penstock/query/row"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if strings.HasPrefix(path, "penstock/") && !slices.Contains(shared, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
