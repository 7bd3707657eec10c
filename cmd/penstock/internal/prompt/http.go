package prompt

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"penstock/engine"
	"penstock/engine/format"
	"penstock/engine/httpapi"
	"penstock/engine/rejects"
	"penstock/query/row"
)

// Remote is a server over HTTP.
type Remote struct{ client *httpapi.Client }

// NewRemote asks through a client of engine/httpapi.
func NewRemote(c *httpapi.Client) *Remote { return &Remote{c} }

// Query runs one statement.
func (r *Remote) Query(ctx context.Context, sql string) (*Answer, error) {
	a, err := r.client.Query(ctx, httpapi.QueryRequest{SQL: sql})
	if err != nil {
		return nil, r.problem(ctx, err)
	}
	out := &Answer{Title: a.Title, Notes: a.Notes, Text: a.Text, Fresh: remoteFresh(a)}
	for _, c := range a.Columns {
		out.Columns = append(out.Columns, Column{Name: c.Name, Type: c.Type.String()})
	}
	for _, values := range a.Rows {
		out.Rows = append(out.Rows, cellsOf(values, a.Columns))
	}
	if a.Fresh.Failed > 0 {
		out.Notes = append(out.Notes, "warning: "+count(a.Fresh.Failed, "row")+" left out because an expression failed: "+a.Fresh.Reason)
	}
	return out, nil
}

func cellsOf(values []row.Value, columns []row.Column) []json.RawMessage {
	cells := make([]json.RawMessage, len(values))
	for i, v := range values {
		cells[i] = row.AppendJSON(nil, v, columns[i].Type)
	}
	return cells
}

func remoteFresh(a *httpapi.Answer) Fresh {
	f := Fresh{Total: a.Fresh.Partitions, Answered: a.Fresh.Partitions - len(a.Fresh.Missing), Lag: a.Fresh.Lag, Took: a.Elapsed}
	f.AsOf, _ = time.Parse(time.RFC3339Nano, a.Fresh.AsOf)
	for _, m := range a.Fresh.Missing {
		f.Missing = append(f.Missing, m.Text)
	}
	return f
}

// problem turns an error of the client into ours.
func (r *Remote) problem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var p *httpapi.Problem
	if !errors.As(err, &p) {
		return NewUnreachable(r.client.URL(), err)
	}
	out := &Problem{Code: p.Code, Message: p.Detail, Reports: p.Errors}
	if out.Message == "" {
		out.Message = p.Title
	}
	if p.Hint != "" {
		out.Hints = append(out.Hints, p.Hint)
	}
	return out
}

// reasonOf is what an error of the network comes down to.
func reasonOf(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "no answer"
		}
		err = u.Err
	}
	text := err.Error()
	if strings.Contains(text, "malformed HTTP response") || strings.Contains(text, "HTTP response to HTTPS") {
		return "it speaks another protocol"
	}
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return text
}

// Relations lists what there is.
func (r *Remote) Relations(ctx context.Context) ([]Relation, error) {
	var streams []httpapi.Stream
	var tables []httpapi.Table
	var metrics []httpapi.Metric
	for path, into := range map[string]any{"/v1/streams": &streams, "/v1/tables": &tables, "/v1/metrics": &metrics} {
		if err := r.client.Get(ctx, path, into); err != nil {
			return nil, r.problem(ctx, err)
		}
	}
	var list []Relation
	for _, s := range streams {
		list = append(list, Relation{Name: s.Name, Kind: "stream", Columns: columnsFrom(s.Columns), Keys: -1, Bytes: -1,
			Source: "topic " + s.Topic + " (" + count(int64(len(s.Partitions)), "partition") + "), " + s.Format})
	}
	for _, t := range tables {
		source := "stream " + t.Stream
		if t.Window != "" && !strings.HasPrefix(t.Window, "none") {
			source += ", " + t.Window
		}
		relation := Relation{Name: t.Name, Kind: "table", Key: strings.Join(t.Key, ", "), Columns: columnsFrom(t.Columns), Keys: -1, Bytes: -1, Source: source}
		if t.Bytes > 0 { // a process may not have said yet
			relation.Bytes = t.Bytes
		}
		list = append(list, relation)
	}
	for _, m := range metrics {
		list = append(list, Relation{Name: m.Name, Kind: "metric", Columns: columnsFrom(m.Columns), Keys: -1, Bytes: -1, Source: m.Emits + " -> " + m.Topic})
	}
	return list, nil
}

func columnsFrom(columns []httpapi.Column) []Column {
	out := make([]Column, len(columns))
	for i, c := range columns {
		out[i] = Column(c)
	}
	return out
}

func (r *Remote) overview(ctx context.Context) (*engine.Overview, error) {
	var o engine.Overview
	if err := r.client.Get(ctx, "/v1/partitions", &o); err != nil {
		return nil, r.problem(ctx, err)
	}
	return &o, nil
}

// Partitions lists what every source partition stands at.
func (r *Remote) Partitions(ctx context.Context) ([]Partition, error) {
	o, err := r.overview(ctx)
	if err != nil {
		return nil, err
	}
	var list []Partition
	for _, s := range o.Streams {
		newest := int64(0)
		for _, p := range s.Partitions {
			newest = max(newest, p.Clock)
		}
		for _, p := range s.Partitions {
			one := Partition{Stream: s.Stream, Partition: int(p.Partition), Owner: p.Reader, State: "running", Offset: p.Offset, Lag: p.Lag, Behind: -1}
			switch {
			case p.Reader == "":
				one.State = "nobody reads it"
			case p.Paused:
				one.State = "waits for the others"
			}
			if p.HasClock {
				one.Behind = max(0, time.Since(row.ToTime(p.Clock)))
			}
			if p.Lag == 0 {
				one.Behind = 0
			}
			list = append(list, one)
		}
	}
	return list, nil
}

// Rejects returns the last records that were not counted, the newest first.
func (r *Remote) Rejects(ctx context.Context, n int) (*Rejects, error) {
	var rows []rejects.Row
	if err := r.client.Get(ctx, "/v1/rejects?n="+strconv.Itoa(n), &rows); err != nil {
		return nil, r.problem(ctx, err)
	}
	o, err := r.overview(ctx)
	if err != nil {
		return nil, err
	}
	out := &Rejects{Share: -1}
	read := int64(0)
	for _, s := range o.Streams {
		for _, p := range s.Partitions {
			read += p.Read
			out.Total += p.Bad
		}
	}
	if read > 0 {
		out.Share = float64(out.Total) / float64(read)
	}
	for i := len(rows) - 1; i >= 0; i-- {
		one := rows[i]
		reason := strings.TrimPrefix(one.Reason, one.Column+": ")
		if one.Kind != "" && one.Kind != "bad" {
			reason = one.Kind + ": " + reason
		}
		out.List = append(out.List, Reject{Source: one.Source(o.App), Offset: one.Offset, Column: one.Column, Reason: reason, Line: one.Value})
	}
	return out, nil
}

// errStop ends reading events.
var errStop = errors.New("stop")

// Tail passes on results. It takes up where a broken connection ended.
func (r *Remote) Tail(ctx context.Context, metric string, n int, each func(Result) error) error {
	var past []json.RawMessage
	if n > 0 {
		if err := r.client.Get(ctx, "/v1/metrics/"+url.PathEscape(metric)+"/history?n="+strconv.Itoa(n), &past); err != nil {
			return r.problem(ctx, err)
		}
	}
	newest := int64(0)
	pass := func(data []byte) error {
		f, err := format.ParseResult(data)
		if err != nil {
			return nil // a form of later versions
		}
		if f.End < newest {
			return nil
		}
		newest = f.End
		out := Result{Metric: f.Metric, Start: row.ToTime(f.Start), End: row.ToTime(f.End)}
		for _, c := range f.Columns {
			out.Columns = append(out.Columns, c.Name)
		}
		for _, values := range f.Rows {
			out.Rows = append(out.Rows, cellsOf(values, f.Columns))
		}
		if err := each(out); err != nil {
			return errors.Join(errStop, err)
		}
		return nil
	}
	for _, data := range past {
		if err := pass(data); err != nil {
			return err
		}
	}
	last := ""
	err := r.client.Events(ctx, "/v1/events?metrics="+url.QueryEscape(metric), last, func(e httpapi.Event) error {
		if e.Name != "result" {
			return nil
		}
		return pass(e.Data)
	})
	if errors.Is(err, errStop) {
		return err
	}
	return r.problem(ctx, err)
}

// Topics lists the topics of the application.
func (r *Remote) Topics(ctx context.Context) ([]string, error) {
	var list []engine.Topic
	if err := r.client.Get(ctx, "/v1/topics", &list); err != nil {
		return nil, r.problem(ctx, err)
	}
	var topics []string
	for _, t := range list {
		topics = append(topics, t.Name)
	}
	return topics, nil
}

// Records passes on the records of a topic.
func (r *Remote) Records(ctx context.Context, topic string, n int, each func(Record) error, skipped func(int64) error) error {
	stop := func(err error) error {
		if err != nil {
			return errors.Join(errStop, err)
		}
		return nil
	}
	err := r.client.Records(ctx, topic, n, func(x engine.TopicRecord) error {
		at, _ := time.Parse(time.RFC3339Nano, x.Time)
		return stop(each(Record{Partition: x.Partition, Offset: x.Offset, Time: at, Key: bytesOf(x.Key, x.KeyBytes), Value: bytesOf(x.Value, x.Bytes), Cut: x.Cut}))
	}, func(n int64) error { return stop(skipped(n)) })
	if errors.Is(err, errStop) {
		return err
	}
	return r.problem(ctx, err)
}

func bytesOf(text *string, raw []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return raw
}

// Info says who answers.
func (r *Remote) Info(ctx context.Context) (*Info, error) {
	var v struct{ Version, App string }
	if err := r.client.Get(ctx, "/version", &v); err != nil {
		return nil, r.problem(ctx, err)
	}
	info := &Info{Version: v.Version, App: v.App, Lag: -1}
	o, err := r.overview(ctx)
	if err != nil {
		return info, nil // it runs, and cannot say more yet
	}
	info.Total = len(o.Tables)
	for _, t := range o.Tables {
		if t.State == "running" {
			info.Running++
		}
	}
	info.Lag = 0
	for _, s := range o.Streams {
		if s.Lag < 0 {
			info.Lag = -1
			break
		}
		info.Lag += s.Lag
	}
	return info, nil
}
