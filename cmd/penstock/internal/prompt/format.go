package prompt

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Formats are the names that \pset format and --format take.
var Formats = []string{"aligned", "vertical", "unaligned", "csv", "tsv", "json", "jsonl", "markdown"}

// Settings are how answers are printed: \pset and the flags of the command line.
type Settings struct {
	Format     string
	Expanded   string // \x: on, off or auto (vertical when the rows are too wide)
	Null       string
	Border     int  // 0: spaces, 1: psql's lines, 2: a frame
	Wrap       bool // wide cells go on in the next line instead of being cut
	Pager      bool
	Separators bool // 18,204,112.50 in decimals, only for people
	Rows       bool // only rows: no heading and no footer
	Timing     bool
}

// Defaults are the settings at the start: psql's, and separators where a person reads.
func Defaults(person bool) Settings {
	return Settings{Format: "aligned", Expanded: "off", Border: 1, Pager: person, Separators: person}
}

// sheet is an answer about to be printed: where, how wide, in which colours.
type sheet struct {
	Settings
	a     *Answer
	width int // columns of the terminal, 0: as wide as it gets
	paint func(style, text string) string
	safe  bool // the output is a terminal, nothing in the data may do something to it
}

// print writes the answer in the format of the settings.
func (s *sheet) print(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	format := s.Format
	if format == "aligned" && (s.Expanded == "on" || s.Expanded == "auto" && s.width > 0 && s.naturalWidth() > s.width) {
		format = "vertical"
	}
	switch {
	case s.a.Text != "" && format != "json" && format != "jsonl":
		s.text(out)
	case format == "aligned":
		s.aligned(out)
	case format == "vertical":
		s.vertical(out)
	case format == "unaligned":
		s.unaligned(out)
	case format == "csv":
		s.delimited(out, ',', quoteCSV)
	case format == "tsv":
		s.delimited(out, '\t', quoteTSV)
	case format == "json":
		s.json(out)
	case format == "jsonl":
		s.jsonLines(out)
	case format == "markdown":
		s.markdown(out)
	default:
		return fmt.Errorf("unknown format %q, expected one of %s", format, strings.Join(Formats, ", "))
	}
	return out.Flush()
}

// people tells whether a format is for people: it gets a footer.
func people(format string) bool {
	return format == "aligned" || format == "vertical" || format == "unaligned" || format == "markdown"
}

func (s *sheet) text(w *bufio.Writer) {
	for _, line := range strings.Split(strings.TrimRight(s.a.Text, "\n"), "\n") {
		w.WriteString(safe(line) + "\n")
	}
}

// shown is a cell as text for people.
func (s *sheet) shown(cell json.RawMessage, c Column) string {
	text, ok := cellText(cell, c)
	if !ok {
		return s.Null
	}
	if k := c.kind(); s.Separators && (k == "DECIMAL" || k == "NUMERIC") {
		return grouped(text)
	}
	return safe(text)
}

func (s *sheet) unaligned(w *bufio.Writer) {
	line := func(cells []string) { w.WriteString(strings.Join(cells, "|") + "\n") }
	if !s.Rows {
		line(s.headings())
	}
	for _, row := range s.a.Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = s.shown(c, s.a.Columns[i])
		}
		line(cells)
	}
}

func (s *sheet) headings() []string {
	names := make([]string, len(s.a.Columns))
	for i, c := range s.a.Columns {
		names[i] = safe(c.Name)
	}
	return names
}

// delimited writes csv and tsv: every value exactly as it is, NULL as an empty field.
func (s *sheet) delimited(w *bufio.Writer, comma byte, quote func(string) string) {
	put := func(i int, text string) {
		if i > 0 {
			w.WriteByte(comma)
		}
		if s.safe {
			text = safe(text)
		}
		w.WriteString(text)
	}
	if !s.Rows {
		for i, c := range s.a.Columns {
			put(i, quote(c.Name))
		}
		w.WriteByte('\n')
	}
	for _, row := range s.a.Rows {
		for i, cell := range row {
			text, ok := cellText(cell, s.a.Columns[i])
			switch {
			case ok && text == "" && comma == ',':
				text = `""` // the empty text, which is not NULL
			case ok:
				text = quote(text)
			default:
				text = s.Null
			}
			put(i, text)
		}
		w.WriteByte('\n')
	}
}

// quoteCSV quotes a field as RFC 4180 says.
func quoteCSV(text string) string {
	if !strings.ContainsAny(text, "\",\r\n") && text != "" && text[0] != ' ' {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}

var tsvEscapes = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// quoteTSV escapes a field as PostgreSQL's COPY does.
func quoteTSV(text string) string { return tsvEscapes.Replace(text) }

// keys are the column names as keys of JSON, each once.
func (s *sheet) keys() []string {
	keys := make([]string, len(s.a.Columns))
	seen := map[string]bool{}
	for i, c := range s.a.Columns {
		name := c.Name
		for n := 2; seen[name]; n++ {
			name = c.Name + "_" + strconv.Itoa(n)
		}
		seen[name] = true
		text, _ := json.Marshal(name)
		keys[i] = string(text)
	}
	return keys
}

func (s *sheet) object(w *bufio.Writer, keys []string, row []json.RawMessage) {
	w.WriteByte('{')
	for i, cell := range row {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString(keys[i] + ":")
		if isNull(cell) {
			w.WriteString("null")
			continue
		}
		w.Write(safeJSON(cell))
	}
	w.WriteByte('}')
}

// jsonLines writes an object a line, for jq and its kind.
func (s *sheet) jsonLines(w *bufio.Writer) {
	if s.a.Text != "" {
		text, _ := json.Marshal(map[string]string{"text": s.a.Text})
		w.Write(append(text, '\n'))
		return
	}
	keys := s.keys()
	for _, row := range s.a.Rows {
		s.object(w, keys, row)
		w.WriteByte('\n')
	}
}

// json writes one object: the rows, and how much they stand for.
func (s *sheet) json(w *bufio.Writer) {
	w.WriteString(`{"rows":[`)
	keys := s.keys()
	for i, row := range s.a.Rows {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString("\n  ")
		s.object(w, keys, row)
	}
	if len(s.a.Rows) > 0 {
		w.WriteByte('\n')
	}
	fmt.Fprintf(w, `],"row_count":%d,"partial":%t`, len(s.a.Rows), s.a.Fresh.Partial())
	f := s.a.Fresh
	if !f.AsOf.IsZero() {
		fmt.Fprintf(w, `,"as_of":%q`, f.AsOf.UTC().Format("2006-01-02T15:04:05.999999Z"))
	}
	if f.Total > 0 && f.Lag >= 0 {
		fmt.Fprintf(w, `,"lag":%d`, f.Lag)
	}
	if s.a.More {
		w.WriteString(`,"truncated":true`)
	}
	if s.a.Text != "" {
		text, _ := json.Marshal(s.a.Text)
		fmt.Fprintf(w, `,"text":%s`, text)
	}
	w.WriteString("}\n")
}

func (s *sheet) markdown(w *bufio.Writer) {
	quote := strings.NewReplacer("|", `\|`, `\n`, "<br>")
	line := func(cells []string) { w.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	heads, marks := s.headings(), make([]string, len(s.a.Columns))
	for i, c := range s.a.Columns {
		heads[i] = quote.Replace(heads[i])
		marks[i] = "---"
		if c.numeric() {
			marks[i] = "--:"
		}
	}
	line(heads)
	line(marks)
	for _, row := range s.a.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = quote.Replace(s.shown(cell, s.a.Columns[i]))
		}
		line(cells)
	}
}
