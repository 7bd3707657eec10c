package plan

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"penstock/query/row"
	"penstock/query/syntax"
)

// streamOption is one option that WITH of a stream takes. Set stores the value; a fault it
// returns becomes "option <name> ...".
type streamOption struct {
	name    string
	takes   string // what the value is, for errors
	example string
	csvOnly bool
	set     func(s *optionSetter, v syntax.Expr) bool
}

// optionSetter is where the options of one stream end up. Timestamp is only a name until the
// columns are known.
type optionSetter struct {
	Options
	timestamp *syntax.String
	zoneAt    syntax.Expr
	patternAt syntax.Expr
	problem   *fault // when set says more than "expected what the option takes"
}

// streamOptions are all of them, in the order in which they are listed and explained.
var streamOptions = []streamOption{
	{name: "topic", takes: "the name of a Kafka topic in quotes", example: "'orders'",
		set: func(s *optionSetter, v syntax.Expr) bool {
			if !textOption(v, &s.Topic) {
				return false
			}
			s.problem = topicNameFault(s.Topic)
			return s.problem == nil
		}},
	{name: "format", takes: "'csv' or 'json'", example: "'csv'",
		set: func(s *optionSetter, v syntax.Expr) bool { return wordOption(v, &s.Format, "csv", "json") }},
	{name: "delimiter", takes: "one character in quotes, or 'tab'", example: "';'", csvOnly: true,
		set: func(s *optionSetter, v syntax.Expr) bool { return delimiterOption(v, &s.Delimiter) }},
	{name: "header", takes: "TRUE or FALSE", example: "TRUE", csvOnly: true,
		set: func(s *optionSetter, v syntax.Expr) bool { return boolOption(v, &s.Header) }},
	{name: "null", takes: "a text in quotes", example: "'NULL'", csvOnly: true,
		set: func(s *optionSetter, v syntax.Expr) bool { return textOption(v, &s.Null) }},
	{name: "timestamp", takes: "the name of a TIMESTAMP column in quotes", example: "'time'",
		set: func(s *optionSetter, v syntax.Expr) bool {
			t, ok := v.(*syntax.String)
			s.timestamp = t
			return ok
		}},
	{name: "timestamp_format", takes: "a pattern such as 'yyyy-MM-dd HH:mm:ss', or 'epoch', 'epoch_ms', 'epoch_us'", example: "'dd/MM/yyyy HH:mm'",
		set: func(s *optionSetter, v syntax.Expr) bool { s.patternAt = v; return textOption(v, &s.TimestampFormat) }},
	{name: "timezone", takes: "a time zone in quotes, such as 'UTC', 'Europe/Paris' or '+02:00'", example: "'Europe/Paris'",
		set: func(s *optionSetter, v syntax.Expr) bool { s.zoneAt = v; return textOption(v, &s.Timezone) }},
	{name: "delay", takes: "a length of time, 0 or more", example: "'5 seconds'",
		set: func(s *optionSetter, v syntax.Expr) bool { return lengthOption(v, &s.Delay, 0) }},
	{name: "idle_slack", takes: "a length of time, 0 or more", example: "'2 seconds'",
		set: func(s *optionSetter, v syntax.Expr) bool { return lengthOption(v, &s.IdleSlack, 0) }},
	{name: "max_ahead", takes: "a length of time of at least 1 second", example: "'1 hour'",
		set: func(s *optionSetter, v syntax.Expr) bool { return lengthOption(v, &s.MaxAhead, time.Second) }},
	{name: "max_drift", takes: "a length of time of at least 1 second", example: "'10 minutes'",
		set: func(s *optionSetter, v syntax.Expr) bool { return lengthOption(v, &s.MaxDrift, time.Second) }},
	{name: "start", takes: "'earliest' or 'latest'", example: "'earliest'",
		set: func(s *optionSetter, v syntax.Expr) bool { return wordOption(v, &s.Start, "earliest", "latest") }},
	{name: "partitions", takes: "a whole number from 1 to 10000", example: "4",
		set: func(s *optionSetter, v syntax.Expr) bool { return countOption(v, &s.Partitions, 1, 10_000) }},
	{name: "bad_data", takes: "'reject', 'drop' or 'fail'", example: "'reject'",
		set: func(s *optionSetter, v syntax.Expr) bool {
			return wordOption(v, &s.BadData, "reject", "drop", "fail")
		}},
	{name: "late_data", takes: "'reject', 'drop' or 'fail'", example: "'reject'",
		set: func(s *optionSetter, v syntax.Expr) bool {
			return wordOption(v, &s.LateData, "reject", "drop", "fail")
		}},
}

// optionHabits are names that users of other engines write, and what they are called here.
var optionHabits = map[string]string{
	"kafka_topic": "topic", "connector": "topic", "value_format": "format", "value_delimiter": "delimiter",
	"separator": "delimiter", "sep": "delimiter", "time": "timestamp", "event_time": "timestamp",
	"watermark": "delay", "grace": "delay", "lateness": "delay", "offset": "start",
	"auto_offset_reset": "start", "scan_startup_mode": "start", "tz": "timezone", "zone": "timezone",
	"nulls": "null", "errors": "bad_data", "late": "late_data",
}

func newOptionSetter(topic string) *optionSetter {
	return &optionSetter{Options: Options{Topic: topic, Format: "csv", Delimiter: ',', MaxAhead: time.Hour,
		Start: "earliest", BadData: "reject", LateData: "reject"}}
}

// streamOptions binds WITH of a stream. Whatever can be used of it is, so that one wrong option
// does not hide the mistakes behind it.
func (b *binder) streamOptions(name string, list []*syntax.Option) *optionSetter {
	s := newOptionSetter(name)
	seen := map[string]*syntax.Option{}
	for _, o := range list {
		i := indexOfOption(o.Key.Name)
		if i < 0 {
			b.fail(o.Key.Span, unknownOption("streams", o.Key, optionNames()))
			continue
		}
		if b.repeatedOption(seen, o) {
			continue
		}
		s.problem = nil
		if opt := streamOptions[i]; !opt.set(s, o.Value) {
			b.fail(o.Value.At(), s.wrong(opt, o.Value))
		}
	}
	for _, opt := range streamOptions {
		if o := seen[opt.name]; o != nil && opt.csvOnly && s.Format != "csv" {
			b.fail(o.Key.Span, faultf(codeOption, "option %s is for format 'csv', and this stream has format '%s'", opt.name, s.Format).
				expect("", "leave it out"))
		}
	}
	b.checkTimeFormat(s)
	return s
}

// wrong words a value that the option does not take.
func (s *optionSetter) wrong(opt streamOption, v syntax.Expr) *fault {
	if s.problem != nil {
		return s.problem
	}
	return wrongValue(opt.name, opt.takes, opt.example, v)
}

func wrongValue(name, takes, example string, v syntax.Expr) *fault {
	f := faultf(codeValue, "option %s cannot be %s; expected %s", name, v.String(), takes)
	if t, ok := v.(*syntax.String); ok {
		if s := syntax.Suggest(strings.ToLower(t.Value), quotedWords(takes)); len(s) > 0 {
			return f.expect("", "did you mean '%s'?", s[0])
		}
	}
	if n, ok := v.(*syntax.Number); ok && strings.HasPrefix(takes, "a length") {
		return f.expect("", "write %s = '%s seconds'", name, n.Text)
	}
	return f.expect("", "write for example %s = %s", name, example)
}

// quotedWords are the words between single quotes of a text.
func quotedWords(text string) []string {
	var words []string
	for i, part := range strings.Split(text, "'") {
		if i%2 == 1 {
			words = append(words, part)
		}
	}
	return words
}

func (b *binder) repeatedOption(seen map[string]*syntax.Option, o *syntax.Option) bool {
	if seen[o.Key.Name] != nil {
		b.fail(o.Key.Span, faultf(codeDuplicate, "option %s is given twice", o.Key.Name).expect("", "leave one of them out"))
		return true
	}
	seen[o.Key.Name] = o
	return false
}

func unknownOption(of string, key *syntax.Ident, names []string) *fault {
	f := faultf(codeOption, "%s have no option %q", of, key.Raw)
	if to, ok := optionHabits[strings.ReplaceAll(key.Name, ".", "_")]; ok && contains(names, to) {
		f.expect("", "did you mean %q?", to)
	} else {
		f.suggest(key.Name, names)
	}
	return f.note("options: %s", strings.Join(names, ", "))
}

func indexOfOption(name string) int {
	for i, o := range streamOptions {
		if o.name == name {
			return i
		}
	}
	return -1
}

func optionNames() []string {
	names := make([]string, len(streamOptions))
	for i, o := range streamOptions {
		names[i] = o.name
	}
	return names
}

// checkTimeFormat tries the pattern and the zone, each blamed at its own place.
func (b *binder) checkTimeFormat(s *optionSetter) {
	if s.zoneAt != nil {
		if _, err := row.CompileTimeFormat("yyyy-MM-dd HH:mm:ss", s.Timezone); err != nil {
			b.fail(s.zoneAt.At(), wrongValue("timezone", "a time zone such as 'UTC', 'Europe/Paris' or '+02:00'", "'UTC'", s.zoneAt).note("%v", err))
			s.Timezone = ""
		}
	}
	if s.patternAt != nil && s.TimestampFormat != "" {
		if _, err := row.CompileTimeFormat(s.TimestampFormat, s.Timezone); err != nil {
			b.fail(s.patternAt.At(), faultf(codeValue, "option timestamp_format: %v", err).
				expect("", "write for example 'yyyy-MM-dd HH:mm:ss' or 'epoch_ms'"))
			s.TimestampFormat = ""
		}
	}
}

func textOption(v syntax.Expr, to *string) bool {
	t, ok := v.(*syntax.String)
	if ok {
		*to = t.Value
	}
	return ok
}

func wordOption(v syntax.Expr, to *string, words ...string) bool {
	t, ok := v.(*syntax.String)
	if !ok || !contains(words, strings.ToLower(t.Value)) {
		return false
	}
	*to = strings.ToLower(t.Value)
	return true
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func boolOption(v syntax.Expr, to *bool) bool {
	switch v := v.(type) {
	case *syntax.Bool:
		*to = v.Value
		return true
	case *syntax.String:
		switch strings.ToLower(v.Value) {
		case "true", "on", "yes":
			*to = true
			return true
		case "false", "off", "no":
			*to = false
			return true
		}
	}
	return false
}

func delimiterOption(v syntax.Expr, to *rune) bool {
	t, ok := v.(*syntax.String)
	if !ok {
		return false
	}
	text := t.Value
	if strings.EqualFold(text, "tab") || text == `\t` {
		text = "\t"
	}
	r, size := utf8.DecodeRuneInString(text)
	if size != len(text) || size == 0 || r == utf8.RuneError || strings.ContainsRune("\"\r\n\x00", r) {
		return false
	}
	*to = r
	return true
}

func countOption(v syntax.Expr, to *int, low, high int) bool {
	n, ok := v.(*syntax.Number)
	if !ok {
		return false
	}
	i, err := strconv.Atoi(n.Text)
	if err != nil || i < low || i > high {
		return false
	}
	*to = i
	return true
}

func lengthOption(v syntax.Expr, to *time.Duration, least time.Duration) bool {
	text := ""
	switch v := v.(type) {
	case *syntax.String:
		text = v.Value
	case *syntax.Interval:
		text = v.Text
	case *syntax.Number:
		if v.Text != "0" {
			return false // a number of what?
		}
		text = "0 seconds"
	default:
		return false
	}
	us, err := row.ParseInterval(text)
	d := time.Duration(us) * time.Microsecond
	if err != nil || d < least {
		return false
	}
	*to = d
	return true
}
