package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"penstock/engine"
	"penstock/query/row"
)

// maxTails is how many streams of records there are at once: each reads the broker for itself.
const maxTails = 4

func (s *Server) topics(w http.ResponseWriter, _ *http.Request) { writeValue(w, s.engine.Topics()) }

// topicRecords sends the last ?n= records of a topic and then each that is written, as server-sent events:
// record, and skipped where a topic brings more than is sent. Only topics of this application are
// there: a name from outside is looked up among them and never reaches the broker.
func (s *Server) topicRecords(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	topic, ok := s.engine.FindTopic(name)
	if !ok {
		fail(w, newProblem(http.StatusNotFound, codeNotFound, "there is no topic "+row.Quote(name)+" of this application", "GET /v1/topics lists them"))
		return
	}
	n, err := tailCount(r)
	if err != nil {
		fail(w, err)
		return
	}
	select {
	case s.tails <- struct{}{}:
		defer func() { <-s.tails }()
	default:
		fail(w, newProblem(http.StatusTooManyRequests, codeBusy, strconv.Itoa(maxTails)+" streams of records are read already", "end one of them, or read the broker: penstock tail"))
		return
	}
	s.sendRecords(w, r, topic, n)
}

// tailCount is how many of the last records are asked for.
func tailCount(r *http.Request) (int, error) {
	text := r.URL.Query().Get("n")
	if text == "" {
		return 10, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > engine.MaxTail {
		return 0, newProblem(http.StatusBadRequest, codeRequest, "n is "+row.Quote(text)+"; expected a whole number from 0 to "+strconv.Itoa(engine.MaxTail), "")
	}
	return n, nil
}

// sendRecords sends records until the client or the server ends.
func (s *Server) sendRecords(w http.ResponseWriter, r *http.Request, topic engine.Topic, n int) {
	ctx, cancel := context.WithCancel(r.Context())
	t := &recordStream{ctx: ctx, batches: make(chan []byte)}
	ended := make(chan error, 1)
	go func() {
		ended <- s.engine.TailTopic(ctx, topic, n, engine.TailTo{Record: t.record, Skipped: t.skipped, Polled: t.flush})
	}()
	done := false
	defer func() {
		cancel()
		if !done {
			<-ended
		}
	}()
	out := openStream(w)
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		case err = <-ended:
			done = true
			out.problem(err)
			return
		case <-beat.C:
			err = out.heartbeat()
		case b := <-t.batches:
			err = out.send(b)
		}
		if err != nil {
			return
		}
	}
}

// recordStream gathers events until there are no more for the moment; one write for each would cost
// more than the records. Whoever takes them slowly makes the reading wait.
type recordStream struct {
	ctx     context.Context // of the reading goroutine, which all methods belong to
	buf     bytes.Buffer
	batches chan []byte
}

const maxBatch = 64 << 10

func (t *recordStream) record(r engine.TopicRecord) error { return t.event("record", r) }

func (t *recordStream) skipped(n int64) error {
	return t.event("skipped", skippedRecords{n})
}

// skippedRecords says how many records of a topic were left out, markers of transactions counted in.
type skippedRecords struct {
	Records int64 `json:"records"`
}

func (t *recordStream) event(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	appendEvent(&t.buf, "", name, b)
	if t.buf.Len() < maxBatch {
		return nil
	}
	return t.flush()
}

func (t *recordStream) flush() error {
	if t.buf.Len() == 0 {
		return nil
	}
	select {
	case t.batches <- bytes.Clone(t.buf.Bytes()):
		t.buf.Reset()
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

// Records calls each with the last n records of a topic of the application and with those that come,
// and skipped where it brings more than are sent, until ctx ends or one of them returns an error.
func (c *Client) Records(ctx context.Context, topic string, n int, each func(engine.TopicRecord) error, skipped func(int64) error) error {
	return c.Events(ctx, "/v1/topics/"+url.PathEscape(topic)+"/records?n="+strconv.Itoa(n), "", func(e Event) error {
		switch e.Name {
		case "record":
			var r engine.TopicRecord
			if err := json.Unmarshal(e.Data, &r); err != nil {
				return fmt.Errorf("the answer of %s: %w", c.base, err)
			}
			return each(r)
		case "skipped":
			var s skippedRecords
			if err := json.Unmarshal(e.Data, &s); err != nil {
				return fmt.Errorf("the answer of %s: %w", c.base, err)
			}
			return skipped(s.Records)
		case "problem":
			p := &Problem{}
			if err := json.Unmarshal(e.Data, p); err != nil {
				return err
			}
			return p
		}
		return nil
	})
}
