package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests of the tests: testdata/bugs holds mistakes that somebody could make in the core, and
// the simulator has to find each of them. A file is a line that says what the mistake is, then
// one or more changes:
//
//	file engine/core/x.go
//	<<<<<<<
//	old text, which the file has exactly once
//	=======
//	new text
//	>>>>>>>
//
// They are compiled in with go test -overlay; the tree is not touched.

const bugFolder = "../../testdata/bugs"

// slice is the mistakes that every run of the tests plants; PENSTOCK_BUGS=all plants all of them, and
// a comma-separated list those.
const slice = "clock-not-restored,distinct-leaves-early,doubled-frame,open-record-deleted-early,share-before-the-pane-closed"

// bugSeeds is within how many seeds the simulator has to find a mistake.
const bugSeeds = 1000

func TestPlantedBugsAreFound(t *testing.T) {
	names := strings.Split(slice, ",")
	switch v := os.Getenv("PENSTOCK_BUGS"); v {
	case "":
	case "all":
		names = bugNames(t)
	default:
		names = strings.Split(v, ",")
	}
	worst := 0
	for _, name := range names {
		n := plant(t, name)
		worst = max(worst, n)
		t.Logf("%-28s found after %d seeds", name, n)
	}
	t.Logf("%d mistakes, the last found after %d seeds", len(names), worst)
}

// Every file of mistakes fits the tree: a change of the core that moves a text has to move it here.
func TestPlantedBugsFit(t *testing.T) {
	names := bugNames(t)
	if len(names) < 20 {
		t.Errorf("%d mistakes, expected at least 20", len(names))
	}
	for _, name := range names {
		if _, err := readBug(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range strings.Split(slice, ",") {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not there", name)
		}
	}
}

func bugNames(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(bugFolder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

var change = regexp.MustCompile(`(?s)file (\S+)\n<<<<<<<\n(.*?)\n=======\n(.*?)\n?>>>>>>>\n`)

// readBug returns the changed files of a mistake.
func readBug(name string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(bugFolder, name))
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte("# ")) {
		return nil, fmt.Errorf("the first line does not say what the mistake is")
	}
	files := map[string]string{}
	for _, c := range change.FindAllStringSubmatch(string(text), -1) {
		path := c[1]
		if _, ok := files[path]; !ok {
			source, err := os.ReadFile(filepath.Join("../..", path))
			if err != nil {
				return nil, err
			}
			files[path] = string(source)
		}
		if n := strings.Count(files[path], c[2]); n != 1 {
			return nil, fmt.Errorf("%s has the old text %d times, expected once:\n%s", path, n, c[2])
		}
		files[path] = strings.Replace(files[path], c[2], c[3], 1)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no change in it")
	}
	return files, nil
}

// plant compiles the simulator with a mistake, and returns after how many seeds it is found.
func plant(t *testing.T, name string) int {
	t.Helper()
	files, err := readBug(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	dir := t.TempDir()
	overlay := map[string]string{}
	for path, text := range files {
		real, err := filepath.Abs(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		overlay[real] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(overlay[real], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "local.test")
	if err := os.WriteFile(overlayFile, list, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", overlayFile, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
		return bugSeeds
	}
	run := exec.Command(binary, "-test.run", "^TestSimulator$", "-test.timeout", "10m")
	run.Env = append(os.Environ(), fmt.Sprintf("PENSTOCK_SIM_SEEDS=%d", bugSeeds), "PENSTOCK_SEED=", "PENSTOCK_SIM_CRASHES=")
	out, err := run.CombinedOutput()
	if err == nil {
		t.Errorf("%s: not found within %d seeds", name, bugSeeds)
		return bugSeeds
	}
	found := regexp.MustCompile(`after (\d+) seeds: (?s:.*?)PENSTOCK_SEED=\d+: (.*)`).FindSubmatch(out)
	if found == nil {
		t.Errorf("%s: the simulator ended without a word: %v\n%.2000s", name, err, out)
		return bugSeeds
	}
	n, _ := strconv.Atoi(string(found[1]))
	if testing.Verbose() {
		t.Logf("%s: %.150s", name, found[2])
	}
	return n
}
