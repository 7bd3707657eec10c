package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"time"

	"penstock/cmd/penstock/internal/prompt"
	"penstock/examples"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
	"penstock/query/syntax"
)

// fakePrompt is a program of TestMain: penstock repl on a server that stands in for a running engine,
// with the query file of the orders example and a few rows.
func fakePrompt() {
	a := newApp()
	p, _ := plan.Bind("orders.sql", examples.Orders)
	a.server = fakeServer{plan: p}
	os.Exit(execute(a, append([]string{"repl"}, os.Args[1:]...)))
}

// fakeServer answers from rows that are always the same.
type fakeServer struct{ plan *plan.Plan }

var fakeRows = map[string][]string{
	"client_totals": {"4021 18204112.50", "117 17990004.00", "882 16002871.25", "7 15.00"},
	"BUYS":          {"4118"},
	"TOP5STOCKS":    {"AAPL 91204", "NVDA 70110", "MSFT 66020", "005930 34800", "TSLA 22017"},
}

// Query binds a statement as the engine does, and filters and projects rows one by one. A name
// "slow" in it takes until it is cancelled, "partial" gives a partial answer.
func (f fakeServer) Query(ctx context.Context, sql string) (*prompt.Answer, error) {
	if strings.Contains(sql, "slow") {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	cmd, diags := plan.BindQuery(f.plan, sql)
	a := &prompt.Answer{Fresh: prompt.Fresh{Took: 1800 * time.Microsecond}}
	switch c := cmd.(type) {
	case nil:
		return nil, &prompt.Problem{Reports: syntax.Reports("", sql, diags)}
	case *plan.Explain:
		a.Text = c.Text
	case *plan.Show:
		fakeListing(a, f.plan.Show(c.What))
	case *plan.Describe:
		fakeListing(a, f.plan.Describe(c.Name))
	case *plan.Query:
		a.Fresh.Total, a.Fresh.Answered = 3, 3
		if strings.Contains(sql, "partial") {
			a.Fresh.Answered, a.Fresh.Missing = 2, []string{"p1 restoring 61 %"}
		}
		a.Fresh.AsOf = nearest(10, 4, 5)
		fakeRead(a, &c.Read)
	}
	return a, nil
}

func fakeListing(a *prompt.Answer, l *plan.Listing) {
	a.Title, a.Notes = l.Title, l.Notes
	fakeColumns(a, l.Columns)
	for _, r := range l.Rows {
		fakeRow(a, r, l.Columns)
	}
}

func fakeColumns(a *prompt.Answer, columns []row.Column) {
	for _, c := range columns {
		a.Columns = append(a.Columns, prompt.Column{Name: c.Name, Type: c.Type.String()})
	}
}

func fakeRow(a *prompt.Answer, values []row.Value, columns []row.Column) {
	cells := make([]json.RawMessage, len(values))
	for i, v := range values {
		cells[i] = row.AppendJSON(nil, v, columns[i].Type)
	}
	a.Rows = append(a.Rows, cells)
}

func fakeRead(a *prompt.Answer, r *plan.Read) {
	fakeColumns(a, r.Columns())
	name, in := "", []row.Column{}
	switch {
	case r.Table != nil:
		name, in = r.Table.Name, r.Table.Columns()
	case r.Metric != nil:
		name, in = r.Metric.Name, r.Metric.Columns()
	}
	rows := fakeRows[name]
	if name == "" {
		rows = []string{""}
	}
	for _, line := range rows {
		values := make([]row.Value, len(in))
		words := strings.Fields(line)
		for i, c := range in {
			values[i] = row.NullValue
			if i < len(words) {
				values[i], _ = row.ParseValue(words[i], c.Type)
			}
		}
		if r.Where != nil {
			if v, err := expr.EvalRow(r.Where, values); err != nil || v.State != row.Valid || v.I == 0 {
				continue
			}
		}
		out := make([]row.Value, len(r.Output))
		for i, o := range r.Output {
			out[i], _ = expr.EvalRow(o.Expr, values)
		}
		if r.Limit < 0 || len(a.Rows) < r.Limit {
			fakeRow(a, out, r.Columns())
		}
	}
}

// Relations lists the plan.
func (f fakeServer) Relations(context.Context) ([]prompt.Relation, error) {
	var list []prompt.Relation
	columns := func(from []row.Column) (out []prompt.Column) {
		for _, c := range from {
			out = append(out, prompt.Column{Name: c.Name, Type: c.Type.String()})
		}
		return out
	}
	for _, s := range f.plan.Streams {
		list = append(list, prompt.Relation{Name: s.Name, Kind: "stream", Columns: columns(s.Columns), Keys: -1, Bytes: -1, Source: "topic orders (3 partitions), csv"})
	}
	for _, t := range f.plan.Tables {
		if !t.Hidden {
			list = append(list, prompt.Relation{Name: t.Name, Kind: "table", Key: "client_id", Columns: columns(t.Columns()), Keys: 48211, Bytes: 3250586, Source: "stream orders"})
		}
	}
	for _, m := range f.plan.Metrics {
		list = append(list, prompt.Relation{Name: m.Name, Kind: "metric", Columns: columns(m.Read.Columns()), Keys: -1, Bytes: -1, Source: "every 5 s -> metrics"})
	}
	return list, nil
}

// Partitions are three, one of them behind.
func (fakeServer) Partitions(context.Context) ([]prompt.Partition, error) {
	var list []prompt.Partition
	for p, lag := range []int64{0, 12, 1204} {
		list = append(list, prompt.Partition{Stream: "orders", Partition: p, Owner: "host-a", State: "running", Offset: 40118, Lag: lag, Behind: time.Duration(lag) * time.Millisecond})
	}
	return list, nil
}

// Rejects are those of the documentation, and one that would clear the screen.
func (fakeServer) Rejects(_ context.Context, n int) (*prompt.Rejects, error) {
	list := []prompt.Reject{
		{Source: "orders/1", Offset: 40118, Column: "price", Reason: `"12.3.4" is not DECIMAL(12,2)`, Line: "2026-11-22 10:03:58,991,4021,AAPL,10,12.3.4,B"},
		{Source: "orders/0", Offset: 39077, Reason: "6 fields, expected 7", Line: "2026-11-22 10:03:51,985,117,MSFT,5,B"},
		{Source: "orders/0", Offset: 39071, Reason: "1 field, expected 7", Line: "\x1b[2Jgone\u202e"},
	}
	return &prompt.Rejects{Total: 14, Share: 0.0003, List: list[:min(n, len(list))]}, nil
}

// Tail gives n results and then waits.
func (fakeServer) Tail(ctx context.Context, metric string, n int, each func(prompt.Result) error) error {
	for i := range n {
		end := nearest(10, 4, 5*i)
		if err := each(prompt.Result{Metric: metric, End: end, Columns: []string{"count"}, Rows: [][]json.RawMessage{{json.RawMessage(strconv.Itoa(4118 + i))}}}); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// Topics are those of the example.
func (fakeServer) Topics(context.Context) ([]string, error) {
	return []string{"orders", "metrics", "trades-rejects", "trades-decisions"}, nil
}

// Records gives n records, one of them with bytes that are no text, and then waits.
func (fakeServer) Records(ctx context.Context, topic string, n int, each func(prompt.Record) error, skipped func(int64) error) error {
	for i := range n {
		r := prompt.Record{Partition: 1, Offset: int64(40117 + i), Time: nearest(10, 4, i), Value: []byte("line " + strconv.Itoa(i))}
		if i == 1 {
			r.Key, r.Value, r.Cut = []byte("80"), []byte("\xff\x00\x1b[2Jgone"), true
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := skipped(1204); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// Info is that of the documentation.
func (fakeServer) Info(context.Context) (*prompt.Info, error) {
	return &prompt.Info{Version: "0.3.0", App: "trades", Running: 3, Total: 3}, nil
}

// nearest is the moment of this time of day that is nearest: what is half a day away is shown with
// its date.
func nearest(hour, minute, second int) time.Time {
	now := time.Now().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, second, 0, time.UTC)
	if now.Sub(at) > 12*time.Hour {
		return at.AddDate(0, 0, 1)
	} else if at.Sub(now) > 12*time.Hour {
		return at.AddDate(0, 0, -1)
	}
	return at
}
