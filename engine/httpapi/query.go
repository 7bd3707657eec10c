package httpapi

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"penstock/engine"
	"penstock/engine/format"
	"penstock/query/row"
)

// query answers POST /v1/query.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	q, err := readQuery(r)
	if err != nil {
		fail(w, err)
		return
	}
	requestRead(w)
	as := accepted(r)
	if as == eventStream {
		s.subscribe(w, r, q)
		return
	}
	s.answer(w, r, q, as)
}

// answer runs a query and writes what it answers.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q QueryRequest, as string) {
	a, err := s.run(r.Context(), q, "http")
	if err != nil {
		fail(w, err)
		return
	}
	defer a.Close()
	writeAnswer(w, a, as)
}

// run runs a query within the server's limits.
func (s *Server) run(ctx context.Context, q QueryRequest, protocol string) (*engine.Answer, error) {
	limit := s.opts.QueryTimeout
	if q.TimeoutMS > 0 {
		limit = min(time.Duration(min(q.TimeoutMS, 1<<40))*time.Millisecond, s.opts.MaxTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b, err := bindParams(q.SQL, q.Params)
	if err != nil {
		return nil, err
	}
	release, err := s.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	began := time.Now()
	rows := s.opts.MaxRows
	if q.MaxRows > 0 && (rows == 0 || q.MaxRows < rows) {
		rows = q.MaxRows
	}
	a, err := s.engine.Query(ctx, engine.Query{SQL: b.sql, Closed: q.AsOf == "closed", MaxRows: rows, MaxBytes: s.opts.MaxBytes})
	s.metrics.query(protocol, time.Since(began))
	var wrong *engine.BindError
	if len(b.shifts) > 0 && errors.As(err, &wrong) {
		err = &engine.BindError{SQL: b.sent, Diags: b.back(wrong.Diags)}
	}
	return a, err
}

// readQuery reads a request: JSON, or anything else as the statement itself, so that
// curl -d 'select 1' works.
func readQuery(r *http.Request) (QueryRequest, error) {
	var q QueryRequest
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return q, err
	}
	switch kind {
	case "application/json":
		if err := json.Unmarshal(body, &q); err != nil {
			return q, newProblem(http.StatusBadRequest, codeRequest, "the body is not the JSON of a query: "+err.Error(), `send {"sql": "SELECT ..."}`)
		}
	case "", "text/plain", "application/sql", "application/x-www-form-urlencoded":
		q.SQL = string(body)
	default:
		return q, newProblem(http.StatusUnsupportedMediaType, codeRequest, "a body of type "+row.Quote(kind), "send text/plain with the statement, or application/json")
	}
	switch {
	case strings.TrimSpace(q.SQL) == "":
		return q, newProblem(http.StatusBadRequest, codeRequest, "the request holds no statement", `send the statement as text, or {"sql": "SELECT ..."}`)
	case q.AsOf != "" && q.AsOf != "now" && q.AsOf != "closed":
		return q, newProblem(http.StatusBadRequest, codeRequest, "as_of is "+row.Quote(q.AsOf)+"; expected now or closed", "")
	}
	return q, nil
}

const (
	asJSON      = "application/json"
	asLines     = "application/x-ndjson"
	asCSV       = "text/csv"
	eventStream = "text/event-stream"
)

// accepted is the form an answer is wanted in: the first of ours that Accept names, or JSON.
func accepted(r *http.Request) string {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		switch kind {
		case asJSON, asLines, asCSV, eventStream:
			return kind
		}
	}
	return asJSON
}

// writeAnswer writes an answer. How fresh it is stands in the headers as well, for the forms that
// have no other place for it.
func writeAnswer(w http.ResponseWriter, a *engine.Answer, as string) {
	tail := wireTail(a)
	h := w.Header()
	h.Set("Penstock-Partial", strconv.FormatBool(tail.Partial))
	h.Set("Penstock-Lag", strconv.FormatInt(tail.Lag, 10))
	if tail.AsOf != "" {
		h.Set("Penstock-As-Of", tail.AsOf)
	}
	switch as {
	case asLines:
		h.Set("Content-Type", asLines)
		_ = writeLines(w, a) // the client may be gone
	case asCSV:
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		_ = writeCSV(w, a)
	default:
		h.Set("Content-Type", asJSON)
		_ = writeJSON(w, a, tail)
	}
}

// eachRow calls fn for every row of an answer; the values are good until it returns.
func eachRow(a *engine.Answer, fn func(vals []row.Value) error) error {
	var vals []row.Value
	for i := range a.Rows.Len() {
		var err error
		if vals, err = a.Rows.Row(i, vals); err != nil {
			return err
		}
		if err := fn(vals); err != nil {
			return err
		}
	}
	return nil
}

// flushAt is how many bytes of an answer are gathered before they are sent.
const flushAt = 32 << 10

func writeJSON(w io.Writer, a *engine.Answer, tail answerTail) error {
	head, err := json.Marshal(wireColumns(a.Rows.Columns))
	if err != nil {
		return err
	}
	b := append(append([]byte(`{"columns":`), head...), `,"rows":[`...)
	first := true
	err = eachRow(a, func(vals []row.Value) error {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, '[')
		for i, c := range a.Rows.Columns {
			if i > 0 {
				b = append(b, ',')
			}
			b = row.AppendJSON(b, vals[i], c.Type)
		}
		b = append(b, ']')
		if len(b) < flushAt {
			return nil
		}
		_, err := w.Write(b)
		b = b[:0]
		return err
	})
	if err != nil {
		return err
	}
	rest, err := json.Marshal(tail)
	if err != nil {
		return err
	}
	b = append(append(b, `],`...), rest[1:]...)
	_, err = w.Write(append(b, '\n'))
	return err
}

func writeLines(w io.Writer, a *engine.Answer) error {
	var b []byte
	err := eachRow(a, func(vals []row.Value) error {
		b = append(format.AppendRow(b, a.Rows.Columns, vals), '\n')
		if len(b) < flushAt {
			return nil
		}
		_, err := w.Write(b)
		b = b[:0]
		return err
	})
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// writeCSV writes RFC 4180, NULL as the empty field.
func writeCSV(w io.Writer, a *engine.Answer) error {
	out := csv.NewWriter(w)
	cells := make([]string, len(a.Rows.Columns))
	for i, c := range a.Rows.Columns {
		cells[i] = c.Name
	}
	if err := out.Write(cells); err != nil {
		return err
	}
	err := eachRow(a, func(vals []row.Value) error {
		for i, c := range a.Rows.Columns {
			cells[i] = cellText(vals[i], c.Type)
		}
		return out.Write(cells)
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

// cellText is a value as CSV shows it: as JSON does, without quotes.
func cellText(v row.Value, t row.Type) string {
	switch {
	case v.State == row.Valid && t.Kind == row.Timestamp:
		return string(row.FormatRFC3339(nil, v.I))
	case v.State == row.Valid && t.Kind == row.Boolean:
		return strconv.FormatBool(v.I != 0)
	}
	return string(row.FormatValue(nil, v, t))
}
