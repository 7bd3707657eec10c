package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"penstock/engine"
	"penstock/engine/format"
	"penstock/query/expr"
	"penstock/query/plan"
	"penstock/query/row"
)

// Table is a table as GET /v1/tables lists it.
type Table struct {
	Name    string   `json:"name"`
	Stream  string   `json:"stream"`
	Key     []string `json:"key"` // its output columns; empty: they are not all selected, or there is one row
	Window  string   `json:"window,omitempty"`
	Columns []Column `json:"columns"`
	Text    string   `json:"text"`
	Bytes   int64    `json:"bytes"` // of its state in all processes, about
}

// Metric is a metric as GET /v1/metrics lists it.
type Metric struct {
	Name    string   `json:"name"`
	Reads   string   `json:"reads"`
	Emits   string   `json:"emits"`
	Topic   string   `json:"topic"`
	Format  string   `json:"format"`
	Columns []Column `json:"columns"`
	Text    string   `json:"text"`
}

// Stream is a stream as GET /v1/streams lists it.
type Stream struct {
	Name    string   `json:"name"`
	Topic   string   `json:"topic"`
	Format  string   `json:"format"`
	Time    string   `json:"time"`
	Columns []Column `json:"columns"`
	Text    string   `json:"text"`
	engine.StreamOverview
}

// listed looks a name's row up in SHOW, so that HTTP says the same as the prompt.
func listed(l *plan.Listing, name, column string) string {
	at := -1
	for i, c := range l.Columns {
		if c.Name == column {
			at = i
		}
	}
	for _, r := range l.Rows {
		if at >= 0 && r[0].S == name {
			return r[at].S
		}
	}
	return ""
}

func (s *Server) tables(w http.ResponseWriter, _ *http.Request) {
	p := s.engine.Plan()
	show := p.Show("TABLES")
	bytes := s.engine.TableBytes()
	list := []Table{}
	for _, t := range p.Tables {
		if !t.Hidden {
			list = append(list, Table{Name: t.Name, Stream: t.Stream.Name, Key: keyColumns(t),
				Window: listed(show, t.Name, "window"), Columns: wireColumns(t.Columns()), Text: t.Text, Bytes: bytes[t.Name]})
		}
	}
	writeValue(w, list)
}

// keyColumns are the output columns that are the table's key, in its order; nil when one is missing.
func keyColumns(t *plan.Table) []string {
	names := []string{}
	for k := range t.Keys {
		found := false
		for _, o := range t.Output {
			if i, ok := expr.AsColumn(o.Expr); ok && i == k && !found {
				names, found = append(names, o.Name), true
			}
		}
		if !found {
			return nil
		}
	}
	return names
}

func (s *Server) findTable(r *http.Request) (*plan.Table, error) {
	name := r.PathValue("name")
	t := s.engine.Plan().Table(name)
	if t == nil || t.Hidden {
		return nil, newProblem(http.StatusNotFound, codeNotFound, "there is no table "+row.Quote(name), "GET /v1/tables lists them")
	}
	return t, nil
}

// table answers GET /v1/tables/{name}: its rows in the order of the key, ?limit= of them, behind the
// key of ?after=, which is given once for each key column.
func (s *Server) table(w http.ResponseWriter, r *http.Request) {
	t, err := s.findTable(r)
	if err != nil {
		fail(w, err)
		return
	}
	params := r.URL.Query()
	limit := 100
	if text := params.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 0 {
			fail(w, newProblem(http.StatusBadRequest, codeRequest, "limit is "+row.Quote(text)+"; expected a whole number", ""))
			return
		}
	}
	keys := keyColumns(t)
	sql := "SELECT * FROM " + ident(t.Name)
	if after := params["after"]; len(after) > 0 {
		if len(keys) == 0 || len(after) > len(keys) {
			fail(w, newProblem(http.StatusBadRequest, codeRequest, "after has "+strconv.Itoa(len(after))+" values, the key of the table has "+strconv.Itoa(len(keys)), ""))
			return
		}
		sql += " WHERE " + behind(keys, after)
	}
	if len(keys) > 0 {
		sql += " ORDER BY " + idents(keys)
	}
	s.answer(w, r, QueryRequest{SQL: sql + " LIMIT " + strconv.Itoa(limit)}, accepted(r))
}

// behind is the condition for the keys behind one: a > x OR a = x AND b > y.
func behind(keys, after []string) string {
	var terms []string
	equal := ""
	for i, v := range after {
		terms = append(terms, equal+ident(keys[i])+" > "+literal(v))
		equal += ident(keys[i]) + " = " + literal(v) + " AND "
	}
	return strings.Join(terms, " OR ")
}

// tableKey answers GET /v1/tables/{name}/{key}: the row of a key; one of several columns is given as
// a path segment for each.
func (s *Server) tableKey(w http.ResponseWriter, r *http.Request) {
	t, err := s.findTable(r)
	if err != nil {
		fail(w, err)
		return
	}
	keys := keyColumns(t)
	given := strings.Split(r.PathValue("key"), "/")
	if len(given) != len(keys) {
		fail(w, newProblem(http.StatusBadRequest, codeRequest, "the key has "+strconv.Itoa(len(keys))+" columns, found "+strconv.Itoa(len(given)), "give a path segment for each column of the key"))
		return
	}
	var terms []string
	for i, k := range keys {
		terms = append(terms, ident(k)+" = "+literal(given[i]))
	}
	a, err := s.run(r.Context(), QueryRequest{SQL: "SELECT * FROM " + ident(t.Name) + " WHERE " + strings.Join(terms, " AND ")}, "http")
	if err == nil {
		defer a.Close()
	}
	switch {
	case err != nil:
		fail(w, err)
	case a.Rows.Len() == 0 && !a.Fresh.Partial():
		fail(w, newProblem(http.StatusNotFound, codeNotFound, "table "+t.Name+" has no row with this key", ""))
	default:
		writeAnswer(w, a, accepted(r))
	}
}

// ident and literal quote what came from outside; the lexer takes everything between the quotes for
// one name or one text, so no statement can be smuggled in.
func ident(name string) string   { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = ident(n)
	}
	return strings.Join(quoted, ", ")
}

func (s *Server) metricList(w http.ResponseWriter, _ *http.Request) {
	p := s.engine.Plan()
	show := p.Show("METRICS")
	list := []Metric{}
	for _, m := range p.Metrics {
		list = append(list, Metric{Name: m.Name, Reads: listed(show, m.Name, "reads"), Emits: listed(show, m.Name, "emits"),
			Topic: m.Topic, Format: m.Format, Columns: wireColumns(m.Read.Columns()), Text: m.Text})
	}
	writeValue(w, list)
}

func (s *Server) findMetric(r *http.Request) (*plan.Metric, error) {
	name := r.PathValue("name")
	m := s.engine.Plan().Metric(name)
	if m == nil {
		return nil, newProblem(http.StatusNotFound, codeNotFound, "there is no metric "+row.Quote(name), "GET /v1/metrics lists them")
	}
	return m, nil
}

// metricLatest answers GET /v1/metrics/{name}: its latest result.
func (s *Server) metricLatest(w http.ResponseWriter, r *http.Request) {
	m, err := s.findMetric(r)
	if err != nil {
		fail(w, err)
		return
	}
	s.answer(w, r, QueryRequest{SQL: "SELECT * FROM " + ident(m.Name)}, accepted(r))
}

// metricHistory answers GET /v1/metrics/{name}/history: the last ?n= results as they were published,
// oldest first.
func (s *Server) metricHistory(w http.ResponseWriter, r *http.Request) {
	m, err := s.findMetric(r)
	if err != nil {
		fail(w, err)
		return
	}
	n, err := count(r, "n", 120)
	if err != nil {
		fail(w, err)
		return
	}
	_, list, _ := s.engine.History(m.Name, n)
	b := []byte("[")
	for i, p := range list {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = format.AppendJSON(b, p.Result)
	}
	w.Header().Set("Content-Type", asJSON)
	_, _ = w.Write(append(b, "]\n"...)) // the client may be gone
}

// count reads a parameter that is a number of things.
func count(r *http.Request, name string, otherwise int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		return 0, newProblem(http.StatusBadRequest, codeRequest, name+" is "+row.Quote(text)+"; expected a whole number from 1 to 10000", "")
	}
	return n, nil
}

func (s *Server) streams(w http.ResponseWriter, r *http.Request) {
	o, err := s.engine.Overview(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	show := s.engine.Plan().Show("STREAMS")
	list := []Stream{}
	for i, st := range s.engine.Plan().Streams {
		list = append(list, Stream{Name: st.Name, Topic: st.Options.Topic, Format: st.Options.Format,
			Time: listed(show, st.Name, "time"), Columns: wireColumns(st.Columns), Text: st.Text, StreamOverview: o.Streams[i]})
	}
	writeValue(w, list)
}

func (s *Server) partitions(w http.ResponseWriter, r *http.Request) {
	o, err := s.engine.Overview(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	writeValue(w, o)
}

func (s *Server) rejects(w http.ResponseWriter, r *http.Request) {
	n, err := count(r, "n", 20)
	if err != nil {
		fail(w, err)
		return
	}
	list, err := s.engine.Rejects(r.Context(), n)
	if err != nil {
		fail(w, err)
		return
	}
	writeValue(w, list)
}

func (s *Server) plan(w http.ResponseWriter, _ *http.Request) {
	g, _ := s.engine.Plan().Graph("")
	writeValue(w, g)
}
