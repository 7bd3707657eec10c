package httpapi

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// body sends a request and returns status, content type and body.
func (p *process) body(t *testing.T, method, path, accept, kind, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, p.Server.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestQuery(t *testing.T) {
	w := newWorld(t, 3000, 3)
	p := w.start(4, Options{})
	a := w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	if got, want := shown(a), w.table("client_totals"); got != want {
		t.Fatalf(" got %s\nwant %s", got, want)
	}
	if a.RowCount != 50 || a.Fresh.Partitions != 4 || a.Fresh.AsOf == "" || len(a.Fresh.Members) != 1 || len(a.Fresh.Offsets["orders"]) != 3 {
		t.Errorf("%+v", a.Fresh)
	}
	const curl = "application/x-www-form-urlencoded"
	for _, x := range []struct{ accept, kind, sql, want, holds string }{
		{"", curl, "select client_id from client_totals order by 1 limit 2", "application/json", `{"columns":[{"name":"client_id","type":"BIGINT"}],"rows":[[0],[1]],"row_count":2,"partial":false,"as_of":"`},
		{"application/x-ndjson", "text/plain", "select client_id from client_totals order by 1 limit 2", "application/x-ndjson", "{\"client_id\":0}\n{\"client_id\":1}\n"},
		{"text/csv", "", "select distinct symbol from pairs order by 1", "text/csv", "symbol\nABC\nEPE\n\"Q\"\"S\"\n\"X,Z\"\n"},
		{"text/csv", "application/json", `{"sql":"SELECT $2 AS a, '$1' AS b, client_id - $1 AS c FROM client_totals WHERE client_id = $3 AND $4 IS NULL -- $9","params":[-2,"it''s; -- $1",7,null]}`, "text/csv", "a,b,c\nit''s; -- $1,$1,9\n"},
		{"", "application/json", `{"sql":"SHOW TABLES"}`, "application/json", `"title":"tables"`},
		{"", "application/json", `{"sql":"SELECT COUNT(*) AS c FROM client_totals","as_of":"closed"}`, "application/json", `"exact":true`},
	} {
		status, h, body := p.body(t, "POST", "/v1/query", x.accept, x.kind, x.sql)
		if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), x.want) || !strings.Contains(body, x.holds) {
			t.Errorf("%s: %d %s\n%s\nexpected %s", x.sql, status, h.Get("Content-Type"), body, x.holds)
		}
	}
}

func TestProblems(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	for _, x := range []struct {
		method, path, kind, body string
		status                   int
		holds                    string
	}{
		{"POST", "/v1/query", "", "SELECT clientid FROM client_totals", 400, `"detail":"no column \"clientid\" in table client_totals","code":"P1204","sqlstate":"42703","line":1,"column":8,"hint":"did you mean \"client_id\"?"`},
		{"POST", "/v1/query", "", "SELEC 1", 400, `"sqlstate":"42601"`},
		{"POST", "/v1/query", "", "", 400, "no statement"},
		{"POST", "/v1/query", "application/json", "{", 400, "not the JSON of a query"},
		{"POST", "/v1/query", "image/png", "x", 415, "image/png"},
		{"POST", "/v1/query", "", strings.Repeat("x", maxBody+1), 413, "1 MiB"},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT * FROM pairs","max_rows":1}`, 422, `"code":"P3002"`},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT $1,\n clientid FROM client_totals","params":["a long text"]}`, 400, `"line":2,"column":2,`},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT $1 , clientid FROM client_totals","params":["a long text"]}`, 400, `"line":1,"column":13,`},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT UPPER($1) FROM client_totals","params":[12345]}`, 400, `"line":1,"column":8,"end_line":1,"end_column":17,`},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT $2","params":[1]}`, 400, "the statement has $2, and there are 1 params"},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT 1","params":[1]}`, 400, "the statement has no $1"},
		{"POST", "/v1/query", "application/json", `{"sql":"SELECT $1","params":[[1]]}`, 400, "param 1 is a list or an object"},
		{"GET", "/v1/query", "", "", 405, "POST"},
		{"POST", "/v1/tables", "", "", 405, "GET"},
		{"GET", "/nothing", "", "", 404, "openapi.json"},
		{"GET", "/v1/tables/nothing", "", "", 404, "/v1/tables"},
		{"GET", "/v1/tables/client_totals/777777", "", "", 404, "no row"},
		{"GET", "/v1/tables/client_totals/1/2", "", "", 400, "1 columns"},
		{"GET", "/v1/metrics/nothing", "", "", 404, "/v1/metrics"},
		{"GET", "/v1/metrics/BUYS/history?n=x", "", "", 400, "whole number"},
	} {
		status, h, body := p.body(t, x.method, x.path, "", x.kind, x.body)
		if status != x.status || h.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, x.holds) {
			t.Errorf("%s %s %.40q: %d %s\n%s\nexpected %d with %s", x.method, x.path, x.body, status, h.Get("Content-Type"), body, x.status, x.holds)
		}
	}
	var problem *Problem
	if _, err := p.Client.Query(w.ctx, QueryRequest{SQL: "SELECT 1 +"}); !errors.As(err, &problem) || problem.Line != 1 {
		t.Errorf("%v", err)
	}
}
