package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"penstock/query/expr"
	"penstock/query/plan"
)

// TestPanicInARequest: a panic of ours while a request is answered is its answer, with 500 and without
// the stack, wherever it is. The process goes on.
func TestPanicInARequest(t *testing.T) {
	w := newWorld(t, 500, 3)
	p := w.start(4, Options{})
	const sql = "SELECT * FROM pairs"
	w.until(p.Client, QueryRequest{SQL: sql}, caughtUp)
	table := w.plan.Table("pairs")
	healthy := table.Output
	for _, broken := range []struct {
		what, sql string
		output    plan.Named
	}{
		{"in the scan of a partition", sql, plan.Named{Name: "price", Expr: expr.Col(99, "price", healthy[2].Expr.Type())}},
		{"in a handler", "DESCRIBE pairs", plan.Named{Name: "price"}},
	} {
		table.Output = append(healthy[:2:2], broken.output)
		status, h, body := p.body(t, "POST", "/v1/query", "", "text/plain", broken.sql)
		if status != 500 || h.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "this is a bug of penstock") || strings.Contains(body, "goroutine") {
			t.Errorf("%s: %d %s\n%s", broken.what, status, h.Get("Content-Type"), body)
		}
		table.Output = healthy
		if status, _, body := p.body(t, "POST", "/v1/query", "", "text/plain", broken.sql); status != 200 {
			t.Errorf("%s: the next request: %d\n%s", broken.what, status, body)
		}
	}
}

// TestPanicInAnAnswer: one that has begun is cut off, so that nobody takes it for whole.
func TestPanicInAnAnswer(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	server := httptest.NewServer(s.unbroken(func(w *begunWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"rows":[`))
		panic("a trap")
	}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
}
