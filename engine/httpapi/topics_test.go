package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
)

// follow reads records until there are enough, and returns their values and what was skipped.
func (p *process) follow(ctx context.Context, topic string, n int, enough func(values []string, skipped int64) bool) (values []string, skipped int64, err error) {
	err = p.Client.Records(ctx, topic, n, func(r engine.TopicRecord) error {
		text := "NULL"
		switch {
		case r.Value != nil:
			text = *r.Value
		case r.Bytes != nil:
			text = fmt.Sprintf("%x", r.Bytes)
		}
		if r.Cut {
			text += "…"
		}
		if values = append(values, text); enough(values, skipped) {
			return errEnough
		}
		return nil
	}, func(n int64) error {
		if skipped += n; enough(values, skipped) {
			return errEnough
		}
		return nil
	})
	return values, skipped, err
}

func (w *world) send(topic string, values ...[]byte) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	var recs []*kgo.Record
	for _, v := range values {
		recs = append(recs, &kgo.Record{Topic: topic, Value: v})
	}
	if err := client.ProduceSync(w.ctx, recs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// The last records of a topic come first, whatever partition they are in, then those that are written.
// What is no text comes as bytes, and a long value is cut.
func TestTopicRecords(t *testing.T) {
	w := newWorld(t, 500, 2)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)

	type sent struct {
		at   int64
		line string
	}
	var all []sent
	for _, log := range w.log {
		for _, r := range log {
			all = append(all, sent{r.Time, string(r.Value)})
		}
	}
	slices.SortStableFunc(all, func(a, b sent) int { return int(a.at - b.at) })
	for _, name := range []string{"orders", "ORDERS"} { // the topic, and the stream
		got, _, err := p.follow(w.ctx, name, 20, func(v []string, _ int64) bool { return len(v) == 20 })
		if !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
		want := []string{}
		for _, s := range all[len(all)-20:] {
			want = append(want, s.line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the last are\n%q, expected\n%q", name, got, want)
		}
	}

	long := strings.Repeat("x", 4095) + "한글"
	odd := [][]byte{{0xff, 0, 'a'}, nil, []byte("text\x1b[2J"), []byte(long)}
	asked := false
	got, _, err := p.follow(w.ctx, "orders", 1, func(v []string, _ int64) bool {
		if !asked { // what comes now is written behind the end that was found
			asked = true
			w.send("orders", odd...)
		}
		return len(v) == 5
	})
	if want := []string{"ff0061", "NULL", "text\x1b[2J", long[:4095] + "…"}; !errors.Is(err, errEnough) || !slices.Equal(got[1:], want) {
		t.Errorf("%v: followed %.60q, expected %.60q", err, got, want)
	}
	got, _, err = p.follow(w.ctx, "rejects", 1, func(v []string, _ int64) bool { return len(v) == 1 })
	if !errors.Is(err, errEnough) || len(got) != 1 {
		t.Errorf("rejects: %v %q", err, got)
	}
	got, _, err = p.follow(w.ctx, "metrics", 1, func(v []string, _ int64) bool { return len(v) == 1 })
	if !errors.Is(err, errEnough) || len(got) != 1 {
		t.Errorf("metrics: %v %q", err, got)
	}
}

// A topic that brings more than is sent goes on at its end, and every record was either sent or counted.
func TestTopicRecordsOfAFlood(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	flood := make([][]byte, 5000)
	for i := range flood {
		flood[i] = fmt.Appendf(nil, "line %d", i)
	}
	asked := false
	got, skipped, err := p.follow(w.ctx, "orders", 1, func(v []string, skipped int64) bool {
		if !asked {
			asked = true
			w.send("orders", flood...)
		}
		return len(v)-1+int(skipped) >= len(flood)
	})
	if !errors.Is(err, errEnough) || skipped == 0 || len(got)-1+int(skipped) != len(flood) {
		t.Fatalf("%v: %d records were sent and %d skipped, expected %d in all", err, len(got)-1, skipped, len(flood))
	}
	if got[1] != "line 0" || len(got) < 1000 {
		t.Errorf("%d were sent, beginning with %q", len(got), got[1])
	}
}

// Only topics of the application are read, and only so many at once.
func TestTopicRecordsAreGuarded(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	w.send("orders", []byte("x"))
	for path, holds := range map[string]string{
		"/v1/topics":                            `[{"name":"orders","kind":"stream","of":["orders"]},{"name":"metrics","kind":"metrics","of":["TOP5CLIENTS","BUYS"]},{"name":"app-rejects","kind":"rejects","of":[]},{"name":"app-decisions","kind":"decisions","of":[]}]`,
		"/v1/topics/app-frames/records":         `there is no topic \"app-frames\" of this application`,
		"/v1/topics/..%2Forders/records":        `there is no topic \"../orders\"`,
		"/v1/topics/__consumer_offsets/records": `"code":"P3006"`,
		"/v1/topics/stream/records":             `"code":"P3006"`,
		"/v1/topics/orders/records?n=251":       `expected a whole number from 0 to 250`,
		"/v1/topics/orders/records?n=-1":        `"code":"P3005"`,
	} {
		if _, _, body := p.body(t, "GET", path, "", "", ""); !strings.Contains(body, holds) {
			t.Errorf("%s: %s\nexpected %s", path, body, holds)
		}
	}
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan error, maxTails)
	there := make(chan bool, maxTails)
	for range maxTails {
		go func() {
			_, _, err := p.follow(ctx, "orders", 1, func([]string, int64) bool { there <- true; return false })
			ended <- err
		}()
		<-there
	}
	var problem *Problem
	if _, _, err := p.follow(ctx, "orders", 1, func([]string, int64) bool { return true }); !errors.As(err, &problem) || problem.Status != 429 {
		t.Errorf("one more: %v", err)
	}
	cancel()
	for range maxTails {
		<-ended
	}
	// Their places are free again as soon as the server notices.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		_, _, err := p.follow(w.ctx, "orders", 1, func([]string, int64) bool { return true })
		if errors.Is(err, errEnough) {
			return
		}
		if !errors.As(err, &problem) {
			t.Fatal(err)
		}
		select {
		case <-w.ctx.Done():
			t.Fatal("the places were not given back")
		case <-tick.C:
		}
	}
}

// The stream ends with the server, not after its client has gone.
func TestTopicRecordsEndWithTheServer(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	_, _, err := p.follow(w.ctx, "orders", 1, func([]string, int64) bool { p.stop(); return false })
	if err == nil || errors.Is(err, errEnough) || w.ctx.Err() != nil {
		t.Error(err)
	}
}
