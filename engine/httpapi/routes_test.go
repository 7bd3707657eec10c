package httpapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"penstock/engine"
)

// The description and the routes name the same paths and methods, and the types have the fields
// that the description says.
func TestOpenAPI(t *testing.T) {
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(openapiJSON, &doc); err != nil {
		t.Fatal(err)
	}
	var described, routed []string
	for path, methods := range doc.Paths {
		for m := range methods {
			described = append(described, strings.ToUpper(m)+" "+path)
		}
	}
	for _, r := range (&Server{metrics: &metrics{handler: LocalOnly(nil)}}).routes() {
		if !strings.HasPrefix(r.path, "/internal/") {
			routed = append(routed, r.method+" "+strings.Replace(r.path, "...", "", 1))
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described %v\n   routed %v", described, routed)
	}
	for name, v := range map[string]any{"Query": QueryRequest{}, "Answer": answerJSON{}, "Problem": Problem{}} {
		var want []string
		for f := range doc.Components.Schemas[name].Properties {
			want = append(want, f)
		}
		got := jsonFields(reflect.TypeOf(v))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %v, described are %v", name, got, want)
		}
	}
}

func jsonFields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, jsonFields(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Every GET route answers, and the names for Prometheus are as its linter wants them.
func TestRoutes(t *testing.T) {
	w := newWorld(t, 2000, 2)
	p := w.start(3, Options{MetricValues: true, Version: "1.2.3"})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM TOP5CLIENTS"}, func(a *Answer) bool { return a.RowCount == 5 })
	for path, holds := range map[string]string{
		"/v1/tables":                            `{"name":"pairs","stream":"orders","key":["symbol","client_id"]`,
		"/v1/tables/client_totals?limit=1":      `"rows":[[0,"`,
		"/v1/tables/client_totals?after=48":     `"rows":[[49,"`,
		"/v1/tables/pairs?after=EPE&after=49":   `"rows":[["Q\"S",0,`,
		"/v1/tables/client_totals/7":            `"row_count":1,`,
		"/v1/tables/pairs/X,Z/7":                `"rows":[["X,Z",7,"`,
		"/v1/metrics":                           `{"name":"BUYS","reads":"stream orders"`,
		"/v1/metrics/top5clients":               `"window_end"`,
		"/v1/metrics/TOP5CLIENTS/history?n=2":   `[{"metric":"TOP5CLIENTS","start":"2016-`,
		"/v1/metrics/BUYS/history?n=1":          `[{"metric":"BUYS","rows":[{"count":`,
		"/v1/streams":                           `"columns":[{"name":"time","type":"TIMESTAMP"}`,
		"/v1/partitions":                        `{"partition":2,"state":"running","owner":"`,
		"/v1/plan":                              `{"from":"client_totals","to":"TOP5CLIENTS"}`,
		"/v1/rejects?n=3":                       `"kind":"bad"`,
		"/livez":                                "ok",
		"/startupz":                             `{"started":true,"restore_percent":100}`,
		"/readyz?verbose":                       "[+] group app-fold",
		"/version":                              `"version":"1.2.3"`,
		"/openapi.json":                         `"openapi"`,
		"/v1/tables/client_totals/7'%20OR%20''": `"code":"P1302"`,
	} {
		status, _, body := p.body(t, "GET", path, "", "", "")
		if !strings.Contains(body, holds) || status >= 500 && !strings.HasPrefix(path, "/readyz") {
			t.Errorf("%s: %d\n%.1500s\nexpected %s", path, status, body, holds)
		}
	}
	if _, _, body := p.body(t, "POST", "/v1/query", "", "", "EXPLAIN WHY BUYS"); !strings.Contains(body, `"why":{"name":"BUYS","causes":[{"code":"`) {
		t.Errorf("%s", body)
	}
	if _, _, body := p.body(t, "POST", "/v1/query", "", "", "SHOW MEMORY"); !strings.Contains(body, `"table rows"`) || !strings.Contains(body, `"process"`) {
		t.Errorf("SHOW MEMORY: %s", body)
	}
	_, _, text := p.body(t, "GET", "/metrics", "", "", "")
	for _, name := range []string{"penstock_build_info", "penstock_records_consumed_total", "penstock_records_rejected_total", "penstock_records_late_total",
		"penstock_consumer_lag_records", "penstock_watermark_timestamp_seconds", "penstock_emits_total", "penstock_emit_latency_seconds_count",
		"penstock_table_size_bytes", "penstock_restore_remaining_records", "penstock_query_duration_seconds_count", "penstock_rebalances_total",
		`penstock_memory_bytes{component="table rows"}`, `penstock_memory_bound_bytes{component="process"}`,
		"penstock_up_ready", `penstock_metric_value{metric="BUYS"}`} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range problems {
		if strings.HasPrefix(x.Metric, "penstock_") {
			t.Errorf("%s: %s", x.Metric, x.Text)
		}
	}
}

func TestStartup(t *testing.T) {
	running := []engine.StageStatus{{State: "running"}}
	for _, x := range []struct {
		status  engine.Status
		me      engine.Member
		percent int
		started bool
	}{
		{engine.Status{State: "starting"}, engine.Member{}, 0, false},
		{engine.Status{State: "running", Stages: []engine.StageStatus{{State: "recovering"}}}, engine.Member{Restoring: map[int32]int{0: 61, 1: -1}}, 30, false},
		{engine.Status{State: "running", Stages: running}, engine.Member{Partitions: []int32{1}, Restoring: map[int32]int{0: 50}}, 75, false},
		{engine.Status{State: "running", Stages: running}, engine.Member{Partitions: []int32{0, 1}}, 100, true},
	} {
		if percent, started := startup(x.status, x.me); percent != x.percent || started != x.started {
			t.Errorf("%+v %+v: %d %t, expected %d %t", x.status, x.me, percent, started, x.percent, x.started)
		}
	}
}
