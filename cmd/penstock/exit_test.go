package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/engine"
	"penstock/engine/broker"
	"penstock/storage"
)

// TestExitCodes: one of each class of errors that an engine ends with. The classes of the command
// line are in the scripts.
func TestExitCodes(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("setup shop-fold: %w", err) }
	for _, c := range []struct {
		what string
		err  error
		code int
		id   string
	}{
		{"stopped", nil, exitDone, ""},
		{"anything else", errors.New("odd"), exitFailed, ""},
		{"a row that the stream stops at, a topic that is missing", &engine.StopError{Err: errors.New("row")}, exitFailed, ""},
		{"a full disk", fmt.Errorf("flush: %w", storage.ErrFull), exitFailed, ""},
		{"Kafka does not answer", fmt.Errorf("ping: %w", context.DeadlineExceeded), exitUnreachable, "P4001"},
		{"state in use", storage.ErrInUse, exitState, "P5002"},
		{"state of another application", storage.ErrOtherApp, exitState, "P5003"},
		{"state of a newer version", storage.ErrNewerFormat, exitState, "P5003"},
		{"damaged state", &engine.StopError{Err: storage.ErrCorrupt}, exitState, "P5003"},
		{"a directory that is not ours", storage.ErrDirectory, exitState, "P5003"},
		{"offsets that were removed", &engine.LostOffsetError{Topic: "orders", Wanted: 1, First: 2, End: 3}, exitState, "P5004"},
		{"a topic that was made again", &engine.StopError{Err: errors.New("made again"), State: true}, exitState, "P5005"},
	} {
		err := c.err
		if err != nil {
			err = engineError(wrapped(err))
		}
		var f *failure
		if errors.As(err, &f) && f.id != c.id || f == nil && c.id != "" {
			t.Errorf("%s: %v, expected %s", c.what, f, c.id)
		}
		a := newApp()
		devNull, openErr := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if openErr != nil {
			t.Fatal(openErr)
		}
		a.line = &statusLine{file: devNull}
		if code := a.report(context.Background(), err); code != c.code {
			t.Errorf("%s: exit code %d, expected %d", c.what, code, c.code)
		}
		devNull.Close()
	}
}

// stopRun is an application over a broker that the test can do things to.
type stopRun struct {
	t      *testing.T
	broker *broker.Broker
	client *kgo.Client
	admin  *kadm.Client
	args   []string
}

func newStopRun(t *testing.T, sql string) *stopRun {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		b.Close()
	})
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(sql), 0o600); err != nil {
		t.Fatal(err)
	}
	return &stopRun{t: t, broker: b, client: client, admin: kadm.NewClient(client), args: []string{
		"run", file, "--brokers", b.Addr(), "--state-dir", filepath.Join(dir, "state"), "--create-topics", "--http", "off", "--fold-partitions", "2"}}
}

func (r *stopRun) start(more ...string) *process {
	r.t.Helper()
	return startProcess(r.t, append(r.args, more...)...)
}

func (r *stopRun) produce(topic string, lines ...string) {
	r.t.Helper()
	for _, l := range lines {
		if err := r.client.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: []byte(l)}).FirstErr(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestTopicMadeAgainIsAStateError: what was deleted and made again is exit code 5, with what to do.
func TestTopicMadeAgainIsAStateError(t *testing.T) {
	r := newStopRun(t, clicksSQL)
	p := r.start("--exit-when-caught-up")
	p.await("done")
	p.leave(exitDone)
	ctx := context.Background()
	if _, err := r.admin.DeleteTopic(ctx, "clicks"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin.CreateTopic(ctx, 1, 1, nil, "clicks"); err != nil {
		t.Fatal(err)
	}
	p = r.start("--exit-when-caught-up")
	if line := p.await("error[P5005]"); !strings.Contains(line, "deleted and made again") || !strings.Contains(line, "--app") {
		t.Error(line)
	}
	p.leave(exitState)
}

// TestOffsetsRemovedIsAStateError: so are rows that retention removed before they were read.
func TestOffsetsRemovedIsAStateError(t *testing.T) {
	r := newStopRun(t, clicksSQL)
	p := r.start("--exit-when-caught-up")
	p.leave(exitDone)
	r.produce("clicks", "a", "b", "c")
	cut := kadm.Offsets{}
	cut.AddOffset("clicks", 0, 2, -1)
	if _, err := r.admin.DeleteRecords(context.Background(), cut); err != nil {
		t.Fatal(err)
	}
	p = r.start("--exit-when-caught-up")
	if line := p.await("error[P5004]"); !strings.Contains(line, "clicks/0: offsets 0..1 were removed before they were read (2 records)") {
		t.Error(line)
	}
	p.leave(exitState)
}

// TestFarewellWithoutABroker: a process that is stopped while its broker is away says what it had read.
func TestFarewellWithoutABroker(t *testing.T) {
	r := newStopRun(t, clicksSQL)
	p := r.start("--http", "127.0.0.1:0")
	p.await("ready in")
	r.produce("clicks", "a", "b", "c")
	// Committed, the position survives what becomes of the stage meanwhile.
	at := func() int64 {
		o, err := r.admin.FetchOffsetsForTopics(context.Background(), "clicks-route-clicks", "clicks")
		if err != nil {
			return 0
		}
		x, _ := o.Lookup("clicks", 0)
		return x.At
	}
	for limit := time.Now().Add(patience); at() < 3; {
		if time.Now().After(limit) {
			t.Fatal("the rows were not read")
		}
	}
	r.broker.Close()
	p.await("kafka is away, waiting")
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line := p.await("stopped in"); !regexp.MustCompile(`, 3 records read, 0 bad`).MatchString(line) {
		t.Error(line)
	}
	p.leave(exitDone)
	t.Logf("stopped in %v", time.Since(began))
}
