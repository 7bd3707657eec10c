package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestStatus asks a running process until it has read a row and published a result.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(clicksSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "run", file, "--state-dir", filepath.Join(dir, "state"), "--broker-listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--fold-partitions", "4")
	broker := regexp.MustCompile(`127\.0\.0\.1:\d+$`).FindString(p.await("ready in"))
	url := regexp.MustCompile(`http://\S+`).FindString(p.await("queries at "))
	rows := filepath.Join(dir, "rows")
	if err := os.WriteFile(rows, []byte("home\nhome,twice\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := command(t, nil, "produce", "clicks", rows, "--brokers", broker); code != exitDone {
		t.Fatal(said)
	}
	want := []string{
		`(?m)^clicks: 4 of 4 table partitions running$`,
		`(?m)^\S+ +` + url + ` +running +0-3 +clicks/0$`,
		`(?m)^clicks/0 +2 +0 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* +\w+$`,
		`(?m)^clicks: read 2 = decoded 1 \+ bad 1$`,
		`(?m)^  VIEWS: decoded 1 = applied 1 \+ filtered 0 \+ late 0 \+ failed 0$`,
		`(?m)^VIEWS +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +1$`,
	}
	missing, said := "", ""
	for end := time.Now().Add(patience); time.Now().Before(end); {
		code := 0
		if code, said = command(t, nil, "status", url); code != exitDone {
			t.Fatalf("exit code %d: %s", code, said)
		}
		missing = ""
		for _, re := range want {
			if !regexp.MustCompile(re).MatchString(said) {
				missing = re
			}
		}
		if missing == "" {
			break
		}
	}
	if missing != "" {
		t.Errorf("no match for %s in\n%s", missing, said)
	}
	code, said := command(t, []string{"PENSTOCK_URL=" + url}, "status", "--json")
	var r statusReport
	if err := json.Unmarshal([]byte(said), &r); code != exitDone || err != nil || r.App != "clicks" || len(r.Metrics) != 1 || r.Metrics[0].Last == nil {
		t.Errorf("exit code %d, %v: %s", code, err, said)
	}
	p.stop(os.Interrupt, exitDone)
	code, said = command(t, nil, "status", url)
	if code != exitUnreachable || !strings.Contains(said, "cannot reach penstock at "+url) {
		t.Errorf("exit code %d: %s", code, said)
	}
}

func TestRanges(t *testing.T) {
	for want, list := range map[string][]int32{"": nil, "3": {3}, "0-1": {1, 0}, "0-3,7": {0, 1, 2, 3, 7}, "1,3,5-6": {6, 5, 3, 1}} {
		if got := ranges(list); got != want {
			t.Errorf("%v is %q, expected %q", list, got, want)
		}
	}
}
