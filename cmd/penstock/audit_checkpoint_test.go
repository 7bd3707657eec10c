package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

const checkpointSQL = `CREATE STREAM visits (time TIMESTAMP, page VARCHAR, seconds BIGINT) WITH (topic = 'visits', timestamp = 'time');
CREATE TABLE pages AS SELECT page, SUM(seconds) AS seconds FROM visits GROUP BY page;
CREATE METRIC LONGEST WITH (topic = 'longest') AS SELECT page, seconds FROM pages ORDER BY seconds DESC LIMIT 3 EMIT EVERY 10 SECONDS;
`

// TestAuditCheckpoint: an audit goes on where the last one ended, after retention; what does not fit
// ends with exit code 5.
func TestAuditCheckpoint(t *testing.T) {
	r := newStopRun(t, checkpointSQL)
	r.args = append(r.args, "--app", "visits", "--exit-when-caught-up")
	dir := t.TempDir()
	audit := func(code int, say ...string) {
		t.Helper()
		got, said := command(t, nil, "audit", r.args[1], "--app", "visits", "-b", r.broker.Addr(), "--tables", "--checkpoint", dir)
		if got != code {
			t.Errorf("exit code %d, expected %d", got, code)
		}
		for _, s := range say {
			if !strings.Contains(said, s) {
				t.Errorf("it does not say %q:\n%s", s, said)
			}
		}
	}
	run := func(minute int) {
		t.Helper()
		for i := range 20 {
			r.produce("visits", fmt.Sprintf("2026-01-01 00:%02d:%02d,p%d,%d", minute, 2*i, i%3, i))
		}
		r.start().leave(exitDone)
	}
	if _, err := r.admin.CreateTopic(context.Background(), 1, 1, nil, "visits"); err != nil {
		t.Fatal(err)
	}
	run(1)
	audit(exitDone, "no difference", "checkpoint written to "+filepath.Join(dir, "visits.checkpoint"))
	cut := kadm.Offsets{}
	cut.AddOffset("visits", 0, 20, -1)
	if _, err := r.admin.DeleteRecords(context.Background(), cut); err != nil {
		t.Fatal(err)
	}
	run(2)
	audit(exitDone, "20 of 1 source partition read again", "from the checkpoint of ", "no difference", "checkpoint written")

	file := filepath.Join(dir, "visits.checkpoint")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-3] ^= 1
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	audit(exitState, "error[P5005]", "it is damaged: its checksum is another")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	// Nothing is written by an audit that could not compare everything.
	audit(exitDone, "retention has removed the first rows of topic visits; only from a checkpoint", "no checkpoint is written: retention has removed rows")
	if _, err := os.Stat(file); err == nil {
		t.Error("a checkpoint was written")
	}
}
