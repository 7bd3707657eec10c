package prompt

import (
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/term"

	"penstock/query/syntax"
)

// command is a backslash command.
type command struct {
	name  string
	args  string // as in help
	help  string
	group string
	run   func(s *Session, ctx context.Context, arg string, at script) error
}

// commands is the table of commands, in the order in which help shows them.
func commands() []command {
	return []command{
		{`\?`, "[CMD]", "this list, or more about one command", "General", (*Session).help},
		{`\h`, "[STATEMENT]", "the form of a statement", "General", (*Session).statementHelp},
		{`\q`, "", "leave", "General", func(*Session, context.Context, string, script) error { return errQuit }},
		{`\conninfo`, "", "who answers, and how it is", "General", (*Session).connInfo},
		{`\!`, "COMMAND", "run a command of the shell", "General", (*Session).shell},
		{`\set`, "[NAME [VALUE]]", "a variable, used as :NAME, :'NAME' or :\"NAME\"", "General", (*Session).set},
		{`\errverbose`, "", "the last error with all that is known of it", "General", (*Session).errVerbose},
		{`\clear`, "", "clear the screen", "General", (*Session).clear},

		{`\d`, "[NAME]", "what there is, or the columns of one", "Look", (*Session).describe},
		{`\dt`, "", "tables", "Look", listKind("table")},
		{`\ds`, "", "streams", "Look", listKind("stream")},
		{`\dm`, "", "metrics", "Look", listKind("metric")},
		{`\df`, "[PATTERN]", "functions", "Look", (*Session).functions},
		{`\dp`, "", "partitions: owner, offset, lag", "Look", (*Session).partitions},
		{`\plan`, "[NAME]", "how a table or metric runs", "Look", (*Session).plan},
		{`\lag`, "", "lag of each partition, as records and as time", "Look", (*Session).lag},
		{`\rejects`, "[N]", "the last records that were not counted, and why", "Look", (*Session).rejects},

		{`\watch`, "[SECONDS]", "run the last query again and again", "Run", (*Session).watch},
		{`\live`, "[QUERY]", "a query as a table that is redrawn in place", "Run", (*Session).live},
		{`\tail`, "METRIC|TOPIC [N]", "the last results or records, and those that come", "Run", (*Session).tail},
		{`\explain`, "[QUERY]", "how a query is answered", "Run", (*Session).explain},
		{`\i`, "FILE", "run a file", "Run", func(s *Session, ctx context.Context, arg string, _ script) error { return s.include(ctx, arg) }},
		{`\e`, "[FILE]", "edit the last statement or a file, and run it", "Run", (*Session).edit},
		{`\g`, "", "run what was entered, or the last query again", "Run", (*Session).again},
		{`\gx`, "", `\g with one line for each column`, "Run", (*Session).againVertical},
		{`\r`, "", "forget what was entered of a statement", "Run", func(s *Session, _ context.Context, _ string, _ script) error { s.reset(); return nil }},
		{`\s`, "[PATTERN]", "what was entered before", "Run", (*Session).pastEntries},

		{`\x`, "[on|off|auto]", "one line for each column", "Output", (*Session).expanded},
		{`\timing`, "[on|off]", "how long each statement took", "Output", (*Session).timing},
		{`\o`, "[FILE]", "write answers to a file, or to the screen again", "Output", (*Session).output},
		{`\once`, "FILE", "write the next answer to a file", "Output", (*Session).outputOnce},
		{`\copy`, "(QUERY) TO FILE [csv|tsv|json|jsonl]", "write the answer of a query to a file", "Output", (*Session).copyTo},
		{`\pset`, "[NAME [VALUE]]", "settings; \\? \\pset lists them", "Output", (*Session).pset},
		{`\headers`, "[on|off]", "headings and footer", "Output", (*Session).headers},
	}
}

// command runs one line with a backslash command.
func (s *Session) command(ctx context.Context, line string, at script) error {
	name, arg := commandOf(line)
	var names []string
	for _, c := range commands() {
		if c.name == name || c.group == "Look" && c.name+"+" == name { // psql's \d+: there is no more to tell
			if extra := strings.Trim(arg, "; "); c.args == "" && extra != "" {
				s.warn("%s: extra argument %q ignored", name, extra)
			}
			return c.run(s, ctx, arg, at)
		}
		names = append(names, c.name)
	}
	return unknownCommand(name, names)
}

func unknownCommand(name string, names []string) error {
	err := &Problem{Message: fmt.Sprintf("unknown command %s", name), Hints: []string{`\? lists the commands`}}
	short := strings.TrimLeft(name, `\.`)
	if len(short) < 2 {
		return err // every command of one letter is near to every other
	}
	if near := syntax.DidYouMean(short, trimmed(names)); near != "" {
		near = strings.ReplaceAll(near, `"`, "")
		err.Hints = []string{strings.NewReplacer("mean ", `mean \`, " or ", ` or \`).Replace(near)}
	}
	return err
}

func trimmed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, `\`)
	}
	return out
}

// wrong is an error about a command's argument.
func wrong(format string, args ...any) error { return &Problem{Message: fmt.Sprintf(format, args...)} }

func (s *Session) help(_ context.Context, arg string, _ script) error {
	if arg != "" {
		name := arg
		if to, _ := commandOf(arg); dots[arg] != "" {
			name = to
		}
		if !strings.HasPrefix(name, `\`) {
			name = `\` + name
		}
		var names []string
		for _, c := range commands() {
			if names = append(names, c.name); c.name == name {
				fmt.Fprintf(s.Out, "%s\n  %s\n", strings.TrimSpace(s.paint("1", c.name)+" "+c.args), c.help)
				if more := details[c.name]; more != "" {
					fmt.Fprintln(s.Out, more)
				}
				return nil
			}
		}
		return unknownCommand(name, names)
	}
	return s.text(s.helpText())
}

// helpText is the list of commands.
func (s *Session) helpText() string {
	var out strings.Builder
	group := ""
	width, _ := s.size()
	for _, c := range commands() {
		if c.group != group {
			if group != "" {
				fmt.Fprintln(&out)
			}
			group = c.group
			fmt.Fprintln(&out, s.paint("1", group))
		}
		usage := strings.TrimSpace(c.name + " " + c.args)
		if width < 60 {
			fmt.Fprintln(&out, clip("  "+usage, width))
			continue
		}
		if len(usage) > 22 {
			fmt.Fprintln(&out, "  "+usage)
			usage = ""
		}
		fmt.Fprintln(&out, clip(fmt.Sprintf("  %-22s %s", usage, c.help), width))
	}
	fmt.Fprintln(&out, "\nStatements end with ; and may have several lines. help, exit, quit, clear and\n.tables, .schema, .mode, .timer, .once, .output, .read, .help, .quit work too.")
	return out.String()
}

// text prints what may be longer than the screen.
func (s *Session) text(text string) error {
	if s.person && s.Settings.Pager && term.IsTerminal(int(s.Out.Fd())) {
		return s.page([]byte(text))
	}
	_, err := io.WriteString(s.Out, text)
	return err
}

// details is what \? says about one command beyond its line in the list.
var details = map[string]string{
	`\pset`: `  format      aligned, vertical, unaligned, csv, tsv, json, jsonl, markdown
  null        what stands for NULL
  border      0 spaces, 1 lines between columns, 2 a frame
  wrap        on: wide cells go on in the next line; off: they end with …
  pager       on: answers longer than the screen go through $PAGER
  separators  on: 18,204,112.50 in decimals
  rows        on: rows only, without headings and footer`,
	`\x`:     `  auto: one line for each column only when the rows are wider than the screen`,
	`\live`:  `  Without a query the last one. Keys: q, Ctrl-C or Ctrl-D to leave. Nothing else stops.`,
	`\watch`: `  Ctrl-C ends it. The default is every 2 seconds.`,
	`\tail`: `  The topics are those of streams and metrics, rejects and decisions. q or Ctrl-C leaves.
  N of a topic's last records are shown first, 10 when it is not given; what is no text is escaped.`,
	`\copy`: `  The format is that of the file's name when none is given, else csv.`,
}

// forms are what \h shows.
var forms = []struct{ name, form string }{
	{"SELECT", `SELECT [DISTINCT] expression [AS name], ... | *
  FROM table | metric | (SELECT ...) AS name
  [WHERE condition]
  [GROUP BY expression, ...] [HAVING condition]
  [ORDER BY expression [ASC|DESC] [NULLS FIRST|LAST], ...]
  [LIMIT n] [OFFSET n];`},
	{"WITH", `WITH name AS (SELECT ...), ...
  SELECT ... FROM name ...;`},
	{"SHOW", `SHOW STREAMS | TABLES | METRICS | FUNCTIONS | MEMORY;`},
	{"DESCRIBE", `DESCRIBE name;`},
	{"EXPLAIN", `EXPLAIN name | SELECT ...;`},
	{"EXPLAIN WHY", `EXPLAIN WHY name;     -- why a metric shows nothing, or is late`},
	{"CREATE STREAM", `CREATE STREAM name (
  column TYPE [NOT NULL] [CHECK (condition)], ...
) WITH (topic = '...', format = 'csv'|'json', ...);     -- in the file of penstock run`},
	{"CREATE TABLE", `CREATE TABLE name AS
  SELECT ... FROM stream [WINDOW ...] [WHERE ...] [GROUP BY ...];     -- in the file of penstock run`},
	{"CREATE METRIC", `CREATE METRIC name AS
  SELECT ... [ORDER BY ...] [LIMIT n]
  EMIT FINAL | EMIT EVERY n SECONDS | EMIT CHANGES;     -- in the file of penstock run`},
}

func (s *Session) statementHelp(_ context.Context, arg string, _ script) error {
	arg = strings.TrimRight(arg, "; ")
	var names []string
	for _, f := range forms {
		if strings.EqualFold(f.name, arg) {
			fmt.Fprintln(s.Out, f.form)
			return nil
		}
		names = append(names, f.name)
	}
	if arg != "" {
		err := &Problem{Message: "no help on " + arg, Hints: []string{"there is help on " + strings.Join(names, ", ")}}
		if near := syntax.DidYouMean(arg, names); near != "" {
			err.Hints = []string{near}
		}
		return err
	}
	for _, n := range names {
		fmt.Fprintln(s.Out, `\h `+n)
	}
	return nil
}

// set keeps a variable, or shows those there are.
func (s *Session) set(_ context.Context, arg string, _ script) error {
	name, value, given := strings.Cut(arg, " ")
	switch {
	case name == "":
		var names []string
		for n := range s.vars {
			names = append(names, n)
		}
		sort.Strings(names)
		for _, n := range names {
			fmt.Fprintf(s.Out, "%s = '%s'\n", n, s.vars[n])
		}
	case given:
		value = strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '\'' && value[len(value)-1] == '\'' {
			value = strings.ReplaceAll(value[1:len(value)-1], "''", "'")
		}
		s.vars[name] = value
	default:
		s.vars[name] = ""
	}
	return nil
}

// errVerbose shows the last error again with everything that the server said.
func (s *Session) errVerbose(context.Context, string, script) error {
	if s.lastErr == nil {
		fmt.Fprintln(s.Out, "no error so far")
		return nil
	}
	p, ok := s.lastErr.(*Problem)
	if !ok {
		fmt.Fprintf(s.Out, "%v\n", s.lastErr)
		return nil
	}
	if len(p.Reports) == 0 {
		fmt.Fprintf(s.Out, "%s\n", strings.TrimSpace(p.Code+" "+safe(p.Message)))
		for _, h := range p.Hints {
			fmt.Fprintf(s.Out, "  = %s\n", safe(h))
		}
	}
	for _, r := range p.Reports {
		fmt.Fprintf(s.Out, "%s %s\n  from %d:%d to %d:%d\n", r.Code, safe(r.Message), r.Line, r.Column, r.EndLine, r.EndColumn)
		if r.Hint != "" {
			fmt.Fprintf(s.Out, "  = %s\n", safe(r.Hint))
		}
		for _, n := range r.Notes {
			fmt.Fprintf(s.Out, "  = %s\n", safe(n))
		}
	}
	if s.lastBad != "" {
		fmt.Fprintf(s.Out, "of: %s\n", safeLines(s.lastBad))
	}
	return nil
}

func (s *Session) clear(context.Context, string, script) error {
	s.tell("\x1b[H\x1b[2J\x1b[3J\x1b[1A")
	return nil
}

// shell runs a command with the terminal as its own.
func (s *Session) shell(_ context.Context, arg string, _ script) error {
	if arg == "" {
		arg = os.Getenv("SHELL")
	}
	return s.external("sh", "-c", arg)
}

// name is what the prompt is called: the application.
func (s *Session) name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.app == "" {
		return "penstock"
	}
	return safe(s.app)
}

// known are the relations for completion, asked for again in the background when they are old.
func (s *Session) known() []Relation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) > 30*time.Second {
		s.asked = time.Now()
		go s.refresh(context.Background())
	}
	return s.relations
}

// refresh asks the server what there is.
func (s *Session) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	list, err := s.Server.Relations(ctx)
	if err != nil {
		return // the next statement will say why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relations, s.asked = list, time.Now()
}
