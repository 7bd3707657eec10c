package httpapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"penstock/engine"
	"penstock/query/row"
	"penstock/query/syntax"
)

// QueryRequest is the JSON body of POST /v1/query. A body of any other type is the statement.
type QueryRequest struct {
	SQL string `json:"sql"`
	// Params are the values of $1, $2 and so on: texts, numbers, booleans, null.
	Params []json.RawMessage `json:"params,omitempty"`
	// TimeoutMS bounds the query, in milliseconds; default and most are the server's.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
	// AsOf is "now" (default) or "closed": the last interval that is closed everywhere, exactly.
	AsOf    string `json:"as_of,omitempty"`
	MaxRows int    `json:"max_rows,omitempty"`
	// EveryMS is how often a subscription (Accept: text/event-stream) looks for changes.
	EveryMS int64 `json:"every_ms,omitempty"`
}

// Column is a column of an answer; Type is as in SQL.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Fresh is what an answer was made from.
type Fresh struct {
	Partial bool   `json:"partial"`
	AsOf    string `json:"as_of,omitempty"` // RFC 3339; absent when it reads nothing that has a time
	Exact   bool   `json:"exact"`           // the state as of AsOf and nothing later
	// Lag is how many records are not in it; -1: not known, or it reads no table.
	Lag        int64                       `json:"lag"`
	Partitions int                         `json:"partitions"`
	Missing    []Missing                   `json:"missing,omitempty"`
	Offsets    map[string]map[string]int64 `json:"offsets,omitempty"`
	Members    []MemberPart                `json:"members,omitempty"`
	Failed     int64                       `json:"failed_rows,omitempty"`
	Reason     string                      `json:"failed_reason,omitempty"`
}

// Missing is a table partition that is not in an answer. Text is for people.
type Missing struct {
	Partition int32  `json:"partition"`
	State     string `json:"state"`
	Percent   int    `json:"percent,omitempty"`
	Owner     string `json:"owner,omitempty"`
	Text      string `json:"text"`
}

// MemberPart is what one process contributed.
type MemberPart struct {
	Instance   string  `json:"instance"`
	Partitions []int32 `json:"partitions"`
	AsOf       string  `json:"as_of,omitempty"`
}

// Answer is an answer as a client reads it. In JSON, columns and rows come first, each row a list.
type Answer struct {
	Columns  []row.Column
	Rows     [][]row.Value
	RowCount int
	Title    string
	Text     string // of EXPLAIN
	Notes    []string
	Why      *engine.Why
	Fresh    Fresh
	Elapsed  time.Duration
}

// answerTail is what follows the rows of an answer in JSON.
type answerTail struct {
	RowCount int `json:"row_count"`
	Fresh
	Title   string      `json:"title,omitempty"`
	Text    string      `json:"text,omitempty"`
	Notes   []string    `json:"notes,omitempty"`
	Why     *engine.Why `json:"why,omitempty"`
	Elapsed float64     `json:"elapsed_ms"`
}

// answerJSON is the whole of it, for reading.
type answerJSON struct {
	Columns []Column            `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
	answerTail
}

// UnmarshalJSON reads what the handler writes.
func (a *Answer) UnmarshalJSON(b []byte) error {
	var j answerJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*a = Answer{RowCount: j.RowCount, Title: j.Title, Text: j.Text, Notes: j.Notes, Why: j.Why, Fresh: j.Fresh,
		Elapsed: time.Duration(j.Elapsed * float64(time.Millisecond))}
	for _, c := range j.Columns {
		t, err := ParseType(c.Type)
		if err != nil {
			return err
		}
		a.Columns = append(a.Columns, row.Column{Name: c.Name, Type: t})
	}
	for _, cells := range j.Rows {
		if len(cells) != len(a.Columns) {
			return fmt.Errorf("a row of %d values, expected %d", len(cells), len(a.Columns))
		}
		vals := make([]row.Value, len(cells))
		for i, c := range cells {
			v, err := parseCell(c, a.Columns[i].Type)
			if err != nil {
				return fmt.Errorf("column %s: %w", a.Columns[i].Name, err)
			}
			vals[i] = v
		}
		a.Rows = append(a.Rows, vals)
	}
	return nil
}

// parseCell is the inverse of row.AppendJSON.
func parseCell(b json.RawMessage, t row.Type) (row.Value, error) {
	text := string(b)
	switch {
	case text == "null":
		return row.NullValue, nil
	case strings.HasPrefix(text, "{"):
		var e struct{ Error string }
		err := json.Unmarshal(b, &e)
		return row.Value{State: row.Error, S: e.Error}, err
	case strings.HasPrefix(text, `"`):
		if err := json.Unmarshal(b, &text); err != nil {
			return row.Value{}, err
		}
	}
	return row.ParseValue(text, t)
}

var typePattern = regexp.MustCompile(`^([A-Z ]+?)(?:\((\d+)(?:,(\d+))?\))?$`)

// ParseType reads a type as row.Type prints it.
func ParseType(text string) (row.Type, error) {
	m := typePattern.FindStringSubmatch(text)
	if m == nil {
		return row.Type{}, fmt.Errorf("unknown type %q", text)
	}
	for k := row.Unknown; k <= row.Interval; k++ {
		if row.Of(k).String() != m[1] && (k != row.Decimal || m[1] != "DECIMAL") {
			continue
		}
		t := row.Of(k)
		n, _ := strconv.Atoi(m[2]) // empty or digits
		scale, _ := strconv.Atoi(m[3])
		switch k {
		case row.Decimal:
			t = row.DecimalType(n, scale)
		case row.Varchar:
			t.Length = int32(n)
		}
		return t, nil
	}
	return row.Type{}, fmt.Errorf("unknown type %q", text)
}

func wireColumns(cols []row.Column) []Column {
	out := make([]Column, len(cols))
	for i, c := range cols {
		out[i] = Column{c.Name, c.Type.String()}
	}
	return out
}

// timeText is a time as JSON shows it, empty when there is none.
func timeText(us int64, ok bool) string {
	if !ok {
		return ""
	}
	return string(row.FormatRFC3339(nil, us))
}

func wireFresh(a *engine.Answer) Fresh {
	f := a.Fresh
	w := Fresh{Partial: f.Partial(), AsOf: timeText(f.AsOf, f.HasTime), Exact: f.Exact && f.HasTime && !f.Partial(), Lag: f.Lag,
		Partitions: f.Partitions, Failed: a.Failed, Reason: a.Reason}
	if f.Partitions == 0 && !f.HasTime {
		w.Lag = -1
	}
	for _, m := range f.Missing {
		w.Missing = append(w.Missing, Missing{m.Partition, m.State, max(0, m.Percent), m.Owner, m.String()})
	}
	for stream, parts := range f.Offsets {
		if w.Offsets == nil {
			w.Offsets = map[string]map[string]int64{}
		}
		w.Offsets[stream] = map[string]int64{}
		for p, o := range parts {
			w.Offsets[stream][strconv.Itoa(int(p))] = o
		}
	}
	for _, m := range f.Members {
		w.Members = append(w.Members, MemberPart{m.Instance, m.Partitions, timeText(m.AsOf, m.HasTime)})
	}
	return w
}

func wireTail(a *engine.Answer) answerTail {
	return answerTail{RowCount: a.Rows.Len(), Fresh: wireFresh(a), Title: a.Title, Text: a.Text, Notes: a.Notes, Why: a.Why,
		Elapsed: float64(a.Took.Microseconds()) / 1000}
}

// Problem is an error as RFC 9457 says, with the code, place and hint that the command line shows.
// It is the client's error too.
type Problem struct {
	Type     string          `json:"type"`
	Title    string          `json:"title"`
	Status   int             `json:"status"`
	Detail   string          `json:"detail,omitempty"`
	Code     string          `json:"code,omitempty"`
	SQLState string          `json:"sqlstate,omitempty"`
	Line     int             `json:"line,omitempty"`
	Column   int             `json:"column,omitempty"`
	Hint     string          `json:"hint,omitempty"`
	Errors   []syntax.Report `json:"errors,omitempty"`
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Line > 0 {
		text = fmt.Sprintf("%d:%d: %s", p.Line, p.Column, text)
	}
	if p.Hint != "" {
		text += ": " + p.Hint
	}
	return text
}
