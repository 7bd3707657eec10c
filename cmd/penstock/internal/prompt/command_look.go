package prompt

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/cmd/penstock/internal/human"
	"penstock/query/plan"
	"penstock/query/row"
)

// listing prints rows of text without lines, as \d and its kind do.
func (s *Session) listing(names []string, rows [][]string) error {
	a := &Answer{}
	for _, n := range names {
		a.Columns = append(a.Columns, Column{Name: n, Type: "VARCHAR"})
	}
	for _, r := range rows {
		cells := make([]json.RawMessage, len(r))
		for i, text := range r {
			cells[i] = row.AppendJSONString(nil, text)
		}
		a.Rows = append(a.Rows, cells)
	}
	saved := s.Settings
	defer func() { s.Settings = saved }()
	if s.Settings.Format == "aligned" && s.Settings.Expanded != "on" {
		s.Settings.Border = listBorder
	}
	a.Title = " " // no footer
	return s.show(a)
}

func (s *Session) banner(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	info, err := s.Server.Info(ctx)
	if err != nil {
		s.lastErr = err
		s.showError(err, script{})
		if !s.Quiet {
			fmt.Fprintln(s.Out, `Type \? for help; statements are tried again when they are entered.`)
		}
		return
	}
	s.mu.Lock()
	s.app = info.App
	s.mu.Unlock()
	if s.Quiet {
		return
	}
	width, _ := s.size()
	fmt.Fprintln(s.Out, wrapWords(s.connected(info), width, 2))
	fmt.Fprintln(s.Out, wrapWords(`Type \? for help, \d to look around, end statements with ;`, width, 2))
	fmt.Fprintln(s.Out)
}

// connected is the first line of a session: who answers and how it is.
func (s *Session) connected(info *Info) string {
	parts := []string{"penstock " + safe(info.Version), "connected to " + strings.TrimPrefix(s.URL, "http://")}
	if info.App != "" {
		parts = append(parts, "group "+safe(info.App))
	}
	if info.Total > 0 {
		text := fmt.Sprintf("%d/%d partitions running", info.Running, info.Total)
		if info.Lag >= 0 {
			text += ", lag " + grouped(strconv.FormatInt(info.Lag, 10))
		}
		if info.Running < info.Total {
			text = s.paint("33", text)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "  ")
}

func (s *Session) connInfo(ctx context.Context, _ string, _ script) error {
	info, err := s.Server.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, s.connected(info))
	return nil
}

// describe is \d: everything there is, or one of them.
func (s *Session) describe(ctx context.Context, arg string, _ script) error {
	arg = strings.TrimRight(arg, "; ")
	if arg == "" {
		return s.list(ctx, "")
	}
	return s.interruptible(ctx, func(ctx context.Context) error {
		a, err := s.ask(ctx, "DESCRIBE "+arg+";")
		if err != nil {
			return withoutPlace(err)
		}
		return s.show(a)
	})
}

// withoutPlace drops places from an error: the user did not write the statement.
func withoutPlace(err error) error {
	p, ok := err.(*Problem)
	if !ok || len(p.Reports) == 0 {
		return err
	}
	r := p.Reports[0]
	out := &Problem{Code: r.Code, Message: r.Message, Hints: r.Notes}
	if r.Hint != "" {
		out.Hints = append([]string{r.Hint}, r.Notes...)
	}
	return out
}

func listKind(kind string) func(*Session, context.Context, string, script) error {
	return func(s *Session, ctx context.Context, arg string, at script) error {
		if arg != "" {
			return s.describe(ctx, arg, at)
		}
		return s.list(ctx, kind)
	}
}

// list prints relations of a kind, of all kinds for an empty one.
func (s *Session) list(ctx context.Context, kind string) error {
	return s.interruptible(ctx, func(ctx context.Context) error {
		relations, err := s.Server.Relations(ctx)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.relations, s.asked = relations, time.Now()
		s.mu.Unlock()
		var rows [][]string
		counted := s.countRows(ctx, relations)
		for _, r := range relations {
			if kind == "" || r.Kind == kind {
				rows = append(rows, []string{r.Name, r.Kind, orDash(r.Key), strconv.Itoa(len(r.Columns)),
					orUnknown(max(r.Keys, counted[r.Name]-1), numberText), orUnknown(r.Bytes, human.Bytes), r.Source})
			}
		}
		if len(rows) == 0 {
			fmt.Fprintf(s.Out, "no %ss\n", orElse(kind, "relation"))
			return nil
		}
		return s.listing(withoutUnknown([]string{"Name", "Kind", "Key", "Columns", "Keys", "Size", "Source"}, rows))
	})
}

// countRows counts the rows of tables, as far as that is done in a second: one more than the
// number, so that 0 is unknown.
func (s *Session) countRows(ctx context.Context, relations []Relation) map[string]int64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	counted := map[string]int64{}
	for _, r := range relations {
		if r.Kind != "table" || r.Keys >= 0 || ctx.Err() != nil {
			continue
		}
		a, err := s.Server.Query(ctx, "SELECT COUNT(*) FROM "+quoted(r.Name)+";")
		if err != nil || len(a.Rows) != 1 || a.Fresh.Partial() {
			continue
		}
		if n, err := strconv.ParseInt(string(a.Rows[0][0]), 10, 64); err == nil {
			counted[r.Name] = n + 1
		}
	}
	return counted
}

// withoutUnknown leaves out columns of a listing in which nothing is known.
func withoutUnknown(names []string, rows [][]string) ([]string, [][]string) {
	for c := len(names) - 1; c >= 0; c-- {
		if slices.ContainsFunc(rows, func(r []string) bool { return r[c] != "-" }) {
			continue
		}
		names = slices.Delete(slices.Clone(names), c, c+1)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], c, c+1)
		}
	}
	return names, rows
}

func orDash(text string) string { return orElse(text, "-") }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func orUnknown(n int64, text func(int64) string) string {
	if n < 0 {
		return "-"
	}
	return text(n)
}

// functions lists what the language has; the server need not be asked.
func (s *Session) functions(_ context.Context, arg string, _ script) error {
	l := (&plan.Plan{}).Show("FUNCTIONS")
	var rows [][]string
	for _, r := range l.Rows {
		if strings.Contains(strings.ToUpper(r[0].S), strings.ToUpper(arg)) {
			rows = append(rows, []string{r[1].S, r[2].S, r[3].S})
		}
	}
	if len(rows) == 0 {
		return &Problem{Message: fmt.Sprintf("no function %q", arg), Hints: []string{`\df lists them`}}
	}
	return s.listing([]string{"Function", "Kind", "Help"}, rows)
}

// partitions is \dp.
func (s *Session) partitions(ctx context.Context, _ string, _ script) error {
	return s.interruptible(ctx, func(ctx context.Context) error {
		list, err := s.Server.Partitions(ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, p := range list {
			rows = append(rows, []string{p.Stream, strconv.Itoa(p.Partition), orDash(p.Owner), orDash(p.State),
				orUnknown(p.Offset, numberText), orUnknown(p.Lag, numberText), behindText(p)})
		}
		return s.listing([]string{"Stream", "Partition", "Owner", "State", "Offset", "Lag", "Behind"}, rows)
	})
}

func numberText(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

func behindText(p Partition) string {
	if p.Lag < 0 || p.Behind < 0 {
		return "-"
	}
	return human.Seconds(p.Behind)
}

// lag is \lag: partitions by how far they are behind, with bars.
func (s *Session) lag(ctx context.Context, _ string, _ script) error {
	return s.interruptible(ctx, func(ctx context.Context) error {
		list, err := s.Server.Partitions(ctx)
		if err != nil {
			return err
		}
		most, total, unknown := int64(0), int64(0), 0
		for _, p := range list {
			most = max(most, p.Lag)
			total += max(0, p.Lag)
			if p.Lag < 0 {
				unknown++
			}
		}
		var rows [][]string
		for _, p := range list {
			bar := ""
			if most > 0 && p.Lag > 0 {
				bar = strings.Repeat("█", int(max(1, p.Lag*20/most)))
			}
			rows = append(rows, []string{p.Stream, strconv.Itoa(p.Partition), orUnknown(p.Lag, numberText), behindText(p), bar})
		}
		if err := s.listing([]string{"Stream", "Partition", "Lag", "Behind", ""}, rows); err != nil {
			return err
		}
		note := ""
		if unknown > 0 {
			note = fmt.Sprintf(", %s unknown", count(int64(unknown), "partition"))
		}
		fmt.Fprintln(s.Out, s.paint("2", fmt.Sprintf("(lag %s in %s%s)", numberText(total), count(int64(len(list)), "partition"), note)))
		return nil
	})
}

// mostRejects is how many records the server returns at most.
const mostRejects = 10_000

// rejects is \rejects: the last records that were not counted.
func (s *Session) rejects(ctx context.Context, arg string, _ script) error {
	n := 10
	if arg != "" {
		var err error
		if n, err = strconv.Atoi(arg); err != nil || n < 1 || n > mostRejects {
			return wrong(`\rejects %s: expected how many records, from 1 to %d`, arg, mostRejects)
		}
	}
	return s.interruptible(ctx, func(ctx context.Context) error {
		r, err := s.Server.Rejects(ctx, n)
		if err != nil {
			return err
		}
		width, _ := s.size()
		for _, one := range r.List {
			fmt.Fprint(s.Out, s.rejectText(one, width))
		}
		text := fmt.Sprintf("%d of %s since start", len(r.List), numberText(r.Total))
		if r.Share >= 0 {
			text += fmt.Sprintf(", %.2f %% of records", r.Share*100)
		}
		fmt.Fprintln(s.Out, s.paint("2", wrapWords("("+text+")", width, 1)))
		return nil
	})
}

// rejectText shows one record: where, why, and the line with what was wrong marked.
func (s *Session) rejectText(r Reject, width int) string {
	where := fmt.Sprintf("%s @ %s", safe(r.Source), numberText(r.Offset))
	reason := safe(r.Reason)
	if r.Column != "" {
		reason = "column " + safe(r.Column) + ": " + reason
	}
	indent := min(18, max(2, width/4))
	if len(where) > indent {
		indent = min(len(where), max(2, width/3))
	}
	line := safe(strings.TrimRight(r.Line, "\r\n"))
	head := s.paint("1", pad(where, indent, false)) + "  "
	text := " " + head + reason + "\n"
	if widthOf(where)+3+widthOf(reason) > width {
		indent = min(indent, 1)
		text = " " + s.paint("1", where) + "\n" + wrapWords("  "+reason, width, 2) + "\n"
	}
	room := max(10, width-indent-3)
	space := strings.Repeat(" ", indent+3)
	at, marked := 0, 0
	if quoted, ok := quotedIn(r.Reason); ok {
		if i := strings.Index(line, quoted); i >= 0 {
			at, marked = widthOf(line[:i]), widthOf(quoted)
		}
	}
	if over := at + marked + 1 - room; marked > 0 && over > 0 && marked+2 < room {
		rest, dropped := widths.TruncateLeft(line, over, "…"), widthOf(line)
		line, at = rest, at-(dropped-widthOf(rest))
	}
	text += space + clip(line, room) + "\n"
	if marked > 0 && at+marked <= room {
		text += space + strings.Repeat(" ", at) + s.paint("31", strings.Repeat("~", marked)) + "\n"
	}
	return text
}

func widthOf(text string) int { return widths.StringWidth(text) }

// quotedIn is the value that a reason quotes: "12.3.4" is not DECIMAL(12,2).
func quotedIn(reason string) (string, bool) {
	if i := strings.IndexByte(reason, '"'); i >= 0 {
		if text, err := strconv.QuotedPrefix(reason[i:]); err == nil {
			if value, err := strconv.Unquote(text); err == nil {
				return value, true
			}
		}
	}
	return "", false
}

// plan is \plan: the operators of a table or metric.
func (s *Session) plan(ctx context.Context, arg string, _ script) error {
	arg = strings.TrimRight(arg, "; ")
	names := []string{arg}
	if arg == "" {
		names = nil
		relations, err := s.Server.Relations(ctx)
		if err != nil {
			return err
		}
		for _, r := range relations {
			if r.Kind == "metric" {
				names = append(names, quoted(r.Name))
			}
		}
	}
	for _, n := range names {
		a, err := s.ask(ctx, "EXPLAIN "+n+";")
		if err != nil {
			return withoutPlace(err)
		}
		if err := s.show(a); err != nil {
			return err
		}
	}
	return nil
}

// explain is \explain: how a query is answered, without running it.
func (s *Session) explain(ctx context.Context, arg string, _ script) error {
	sql := orElse(orElse(arg, s.pending), s.last)
	if sql == "" {
		return wrong(`no query to explain: \explain SELECT ...`)
	}
	return s.interruptible(ctx, func(ctx context.Context) error {
		a, err := s.ask(ctx, "EXPLAIN "+strings.TrimRight(sql, "; \n")+";")
		if err != nil {
			return withoutPlace(err)
		}
		return s.show(a)
	})
}
