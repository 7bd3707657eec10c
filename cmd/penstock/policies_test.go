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

// policySQL is a stream with a policy for bad and late rows.
const policySQL = `CREATE STREAM visits (time TIMESTAMP, page VARCHAR, seconds BIGINT CHECK (seconds >= 0))
  WITH (topic = 'visits', timestamp = 'time', delay = '0 seconds', bad_data = '%s', late_data = '%s');
CREATE METRIC COUNTED WITH (topic = 'visits.metrics') AS SELECT COUNT(*) AS visits, SUM(seconds) AS seconds FROM visits WINDOW TUMBLING (SIZE 10 SECONDS) EMIT FINAL;
`

var visits = struct{ good, bad, late, more []string }{
	good: []string{"2026-01-01 00:00:01,a,1", "2026-01-01 00:00:12,b,2"},
	bad:  []string{"2026-01-01 00:00:13,c,-5"},
	late: []string{"2026-01-01 00:00:02,d,8"},
	more: []string{"2026-01-01 00:00:14,e,4", "2026-01-01 00:00:25,f,16"},
}

// visited is what is published of the good rows, in the order of the windows.
const visited = `"rows":[{"visits":1,"seconds":"1"}]` + `"rows":[{"visits":2,"seconds":"6"}]` + `"rows":[{"visits":1,"seconds":"16"}]`

// results are the rows of what tail prints.
func (r *stopRun) results(topic string) string {
	r.t.Helper()
	code, said := command(r.t, nil, "tail", topic, "-o", "beginning", "-e", "-b", r.broker.Addr(), "--log-level", "error")
	if code != exitDone {
		r.t.Fatalf("tail: exit code %d\n%s", code, said)
	}
	var rows strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(said), "\n") {
		at := strings.Index(line, `"rows":`)
		if at < 0 {
			continue
		}
		end := strings.Index(line[at:], "]")
		rows.WriteString(line[at : at+end+1])
	}
	return rows.String()
}

// rejected is how many rows are on the rejects topic.
func (r *stopRun) rejected() int {
	r.t.Helper()
	code, said := command(r.t, nil, "tail", "visits-rejects", "-o", "beginning", "-e", "-b", r.broker.Addr(), "--log-level", "error")
	if code != exitDone {
		r.t.Fatalf("tail: exit code %d\n%s", code, said)
	}
	return strings.Count(said, "\n")
}

func newPolicyRun(t *testing.T, bad, late string, rows ...[]string) *stopRun {
	t.Helper()
	r := newStopRun(t, fmt.Sprintf(policySQL, bad, late))
	r.args = append(r.args, "--app", "visits", "--exit-when-caught-up")
	if _, err := r.admin.CreateTopic(context.Background(), 1, 1, nil, "visits"); err != nil {
		t.Fatal(err)
	}
	for _, list := range rows {
		r.produce("visits", list...)
	}
	return r
}

// TestDroppedRows: with drop, bad and late rows are counted and kept nowhere.
func TestDroppedRows(t *testing.T) {
	r := newPolicyRun(t, "drop", "drop", visits.good, visits.bad, visits.late, visits.more)
	p := r.start()
	p.await("visits: read 6 = decoded 5 + bad 1")
	p.await("decoded 5 = applied 4 + filtered 0 + late 1 + failed 0")
	p.leave(exitDone)
	if got := r.results("visits.metrics"); got != visited {
		t.Errorf("published %s, expected %s", got, visited)
	}
	if n := r.rejected(); n != 0 {
		t.Errorf("%d rows are on the rejects topic", n)
	}
	if code, said := command(t, nil, "audit", r.args[1], "--app", "visits", "-b", r.broker.Addr()); code != exitDone {
		t.Errorf("audit: exit code %d\n%s", code, said)
	}
}

// TestStoppedByARow: with fail, a bad or late row ends the engine in words, as often as it is started.
// With another policy in the file it goes on from there, and no row is lost or counted twice.
func TestStoppedByARow(t *testing.T) {
	for _, c := range []struct {
		kind, bad, late string
		row             []string
		say             string
	}{
		{"bad", "fail", "reject", visits.bad, "visits/0 @ 2: bad row: seconds: CHECK (seconds >= 0) is false; the stream says to stop at such rows (bad_data = 'fail')"},
		{"late", "reject", "fail", visits.late, "visits/0 @ 2: late row: "},
	} {
		t.Run(c.kind, func(t *testing.T) {
			r := newPolicyRun(t, c.bad, c.late, visits.good, c.row, visits.more)
			for range 2 {
				p := r.start()
				if line := p.await("error:"); !strings.Contains(line, c.say) || !strings.Contains(line, "stream visits") {
					t.Errorf("got %s, expected %s", line, c.say)
				}
				p.leave(exitFailed)
			}
			other := kadm.Offsets{}
			if o, err := r.admin.FetchOffsetsForTopics(context.Background(), "visits-route-visits", "visits"); err == nil {
				other = o.Offsets()
			}
			if at, _ := other.Lookup("visits", 0); at.At > 2 {
				t.Errorf("offset %d is committed, behind the row that stopped it", at.At)
			}
			file := filepath.Join(filepath.Dir(r.args[1]), "clicks.sql")
			if err := os.WriteFile(file, fmt.Appendf(nil, policySQL, "reject", "reject"), 0o600); err != nil {
				t.Fatal(err)
			}
			p := r.start()
			p.await("visits: read 5 = ")
			p.leave(exitDone)
			if got := r.results("visits.metrics"); got != visited {
				t.Errorf("published %s, expected %s", got, visited)
			}
			if n := r.rejected(); n != 1 {
				t.Errorf("%d rows are on the rejects topic, expected 1", n)
			}
			if code, said := command(t, nil, "audit", r.args[1], "--app", "visits", "-b", r.broker.Addr()); code != exitDone {
				t.Errorf("audit: exit code %d\n%s", code, said)
			}
		})
	}
}
