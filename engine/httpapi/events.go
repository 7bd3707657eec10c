package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/engine"
	"penstock/engine/format"
	"penstock/query/row"
)

// Server-sent events: one direction, plain HTTP, works with curl -N, and a browser takes it up again
// by itself. A comment every 15 s keeps proxies from closing a quiet stream and tells us that the
// client has gone. Nothing waits for a slow client: it loses the oldest.

const heartbeatEvery = 15 * time.Second

// stream is a response that goes on.
type stream struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

func openStream(w http.ResponseWriter) *stream {
	s := &stream{w: w, ctl: http.NewResponseController(w)}
	_ = s.ctl.SetWriteDeadline(time.Time{}) // none as a whole; each event has its own
	_ = s.ctl.SetReadDeadline(time.Time{})
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	_ = s.ctl.Flush()
	return s
}

// event sends one event; data is one line.
func (s *stream) event(id, name string, data []byte) error {
	var b bytes.Buffer
	appendEvent(&b, id, name, data)
	return s.send(b.Bytes())
}

func appendEvent(b *bytes.Buffer, id, name string, data []byte) {
	if id != "" {
		fmt.Fprintf(b, "id: %s\n", id)
	}
	fmt.Fprintf(b, "event: %s\ndata: %s\n\n", name, bytes.TrimRight(data, "\n"))
}

func (s *stream) heartbeat() error { return s.send([]byte(": still here\n\n")) }

func (s *stream) send(b []byte) error {
	_ = s.ctl.SetWriteDeadline(time.Now().Add(heartbeatEvery)) // who takes no byte for so long is gone
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.ctl.Flush()
}

func (s *stream) problem(err error) {
	b, merr := json.Marshal(problemOf(err))
	if merr == nil {
		_ = s.event("", "problem", b)
	}
}

// subscribe answers a query with Accept: text/event-stream: it runs it again and again, and sends the
// answer whenever its rows have changed.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request, q QueryRequest) {
	a, err := s.run(r.Context(), q, "subscribe")
	if err != nil {
		fail(w, err)
		return
	}
	every := time.Second
	if q.EveryMS > 0 {
		every = max(100*time.Millisecond, time.Duration(min(q.EveryMS, 3_600_000))*time.Millisecond)
	}
	out := openStream(w)
	tick, beat := time.NewTicker(every), time.NewTicker(heartbeatEvery)
	defer tick.Stop()
	defer beat.Stop()
	var last [sha256.Size]byte
	for first := true; ; first = false {
		if rows := sha256.Sum256(rowBytes(a)); first || rows != last {
			var b bytes.Buffer
			if writeJSON(&b, a, wireTail(a)) != nil || out.event("", "answer", b.Bytes()) != nil {
				a.Close()
				return
			}
			last = rows
		}
		a.Close()
		for waiting := true; waiting; {
			select {
			case <-r.Context().Done():
				return
			case <-s.closed:
				return
			case <-beat.C:
				if out.heartbeat() != nil {
					return
				}
			case <-tick.C:
				waiting = false
			}
		}
		if a, err = s.run(r.Context(), q, "subscribe"); err != nil {
			out.problem(err)
			return
		}
	}
}

// rowBytes are the rows of an answer, to tell whether they have changed.
func rowBytes(a *engine.Answer) []byte {
	b := []byte{}
	_ = eachRow(a, func(vals []row.Value) error {
		b = append(format.AppendRow(b, a.Rows.Columns, vals), '\n')
		return nil
	})
	return b
}

// position is where an event stream stands: by metrics topic partition the next offset. An event's
// id is one, so a stream can be taken up at any process, also after a restart.
type position map[string]int64

func positionKey(metric string, partition int32) string {
	return metric + "." + strconv.Itoa(int(partition))
}

// parsePosition reads an id; what cannot be read is left out.
func parsePosition(id string) position {
	p := position{}
	for _, item := range strings.Split(id, ",") {
		key, at, ok := strings.Cut(item, "=")
		if n, err := strconv.ParseInt(at, 10, 64); ok && err == nil {
			p[key] = n
		}
	}
	return p
}

func (p position) String() string {
	parts := make([]string, 0, len(p))
	for key, at := range p {
		parts = append(parts, key+"="+strconv.FormatInt(at, 10))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// present is behind all results that there are. It is what a stream without a position begins with,
// so that each of its ids names every metric that has a result: one that is not in an id had none.
// Otherwise a client that leaves before a metric's first event would never get what it misses of it.
func (s *Server) present() position {
	p := position{}
	for _, m := range s.engine.Plan().Metrics {
		for partition, end := range s.engine.Published(m.Name) {
			p[positionKey(m.Name, partition)] = end
		}
	}
	return p
}

// events sends every result as it is published: all metrics, or those of ?metrics=A,B; with ?lag=1
// also how far behind the streams are, every second.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	wanted, err := s.wantedMetrics(r)
	if err != nil {
		fail(w, err)
		return
	}
	at := parsePosition(r.Header.Get("Last-Event-ID"))
	if len(at) == 0 {
		at = s.present()
	}
	ch, stop := s.engine.Watch(1000, func(p engine.Published) bool { return p.Offset >= at[positionKey(p.Metric, p.Partition)] })
	defer stop()
	out := openStream(w)
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	var lag <-chan time.Time
	if r.URL.Query().Get("lag") != "" {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		lag = t.C
	}
	for {
		var err error
		select {
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		case <-beat.C:
			err = out.heartbeat()
		case <-lag:
			err = s.sendLag(out)
		case p := <-ch:
			if len(wanted) == 0 || wanted[p.Metric] {
				at[positionKey(p.Metric, p.Partition)] = p.Offset + 1 // in the topic's order
				err = out.event(at.String(), "result", resultJSON(p))
			}
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) wantedMetrics(r *http.Request) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range strings.Split(r.URL.Query().Get("metrics"), ",") {
		if name == "" {
			continue
		}
		m := s.engine.Plan().Metric(name)
		if m == nil {
			return nil, newProblem(http.StatusNotFound, codeNotFound, "there is no metric "+row.Quote(name), "GET /v1/metrics lists them")
		}
		wanted[m.Name] = true
	}
	return wanted, nil
}

// resultJSON is a result as the metrics topic has it, whatever form is published there.
func resultJSON(p engine.Published) []byte {
	if strings.HasPrefix(p.Text, "{") {
		return []byte(p.Text)
	}
	return format.AppendJSON(nil, p.Result)
}

func (s *Server) sendLag(out *stream) error {
	type lag struct {
		Stream    string `json:"stream"`
		Partition int32  `json:"partition"`
		Lag       int64  `json:"lag"`
		Clock     string `json:"clock,omitempty"`
	}
	list := []lag{}
	for _, st := range s.engine.Status().Streams {
		for _, p := range st.Partitions {
			list = append(list, lag{st.Stream, p.Partition, max(0, p.End-p.Offset), timeText(p.Clock, p.Started)})
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return out.event("", "lag", b)
}

// writeValue answers with a value as JSON.
func writeValue(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", asJSON)
	_, _ = io.WriteString(w, string(b)+"\n") // the client may be gone
}
