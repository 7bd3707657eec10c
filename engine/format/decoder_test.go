package format

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"penstock/query/plan"
	"penstock/query/row"
)

// The files under testdata hold records and what they decode to. Commands:
//
//	stream            columns, one a line: name and type
//	csv|json [header] [delimiter=;] [null=TEXT] [times=PATTERN] [zone=Z]
//	                  records, one a line; a line in Go quotes is unquoted first
//	result [list]     a result as JSON, read and written again
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		s := &plan.Stream{Name: "s", TimeColumn: -1}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "stream":
				s.Columns = nil
				for _, line := range strings.Split(d.Input, "\n") {
					name, typ, _ := strings.Cut(line, " ")
					s.Columns = append(s.Columns, row.Column{Name: name, Type: typeNamed(t, typ)})
				}
				return ""
			case "csv", "json":
				s.Options = plan.Options{Format: d.Cmd, Header: d.HasArg("header")}
				var delimiter string
				d.MaybeScanArgs(t, "delimiter", &delimiter)
				if delimiter == "tab" {
					delimiter = "\t"
				}
				for _, r := range delimiter {
					s.Options.Delimiter = r
				}
				d.MaybeScanArgs(t, "null", &s.Options.Null)
				d.MaybeScanArgs(t, "times", &s.Options.TimestampFormat)
				d.MaybeScanArgs(t, "zone", &s.Options.Timezone)
				return decodeLines(t, s, strings.Split(d.Input, "\n"))
			case "result":
				return rewriteResults(t, d.Input, d.HasArg("list"))
			}
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

func typeNamed(t *testing.T, name string) row.Type {
	var p, s int
	if n, _ := fmt.Sscanf(name, "DECIMAL(%d,%d)", &p, &s); n == 2 {
		return row.DecimalType(p, s)
	}
	if n, _ := fmt.Sscanf(name, "VARCHAR(%d)", &p); n == 1 {
		return row.Type{Kind: row.Varchar, Length: int32(p)}
	}
	for k := row.Boolean; k <= row.Date; k++ {
		if row.Of(k).String() == name {
			return row.Of(k)
		}
	}
	t.Fatalf("unknown type %q", name)
	return row.Type{}
}

// decodeLines decodes the lines as one run, with all columns used and with none: the bad rows have
// to be the same.
func decodeLines(t *testing.T, s *plan.Stream, lines []string) string {
	var recs []Record
	for i, line := range lines {
		if line == "nil" {
			recs = append(recs, Record{})
			continue
		}
		if text, err := strconv.Unquote(line); err == nil {
			line = text
		}
		recs = append(recs, Record{Offset: int64(i), Value: []byte(line)})
	}
	dec, err := NewDecoder(s, nil)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b row.Batch
	index, bad := dec.Decode(recs, &b, nil, nil)
	out := make([]string, len(recs))
	for i := range out {
		out[i] = "header"
	}
	for n, i := range index {
		out[i] = rowText(s, &b, n)
	}
	for _, r := range bad {
		out[r.Index] = fmt.Sprintf("bad [%s] %s", r.Column, r.Reason)
	}
	if b.N != len(index) {
		t.Errorf("%d rows in the batch, %d in the index", b.N, len(index))
	}
	unused, err := NewDecoder(s, make([]bool, len(s.Columns)))
	if err != nil {
		t.Fatal(err)
	}
	var none row.Batch
	index2, bad2 := unused.Decode(recs, &none, nil, nil)
	if fmt.Sprint(index, bad) != fmt.Sprint(index2, bad2) {
		t.Errorf("without columns in use the rows differ: %v %v", index2, bad2)
	}
	return strings.Join(out, "\n") + "\n"
}

func rowText(s *plan.Stream, b *row.Batch, n int) string {
	var text []byte
	for i, c := range s.Columns {
		if i > 0 {
			text = append(text, ' ')
		}
		text = row.AppendJSON(text, b.Cols[i].Value(n), c.Type)
	}
	return string(text)
}

func rewriteResults(t *testing.T, input string, list bool) string {
	var out strings.Builder
	for _, line := range strings.Split(input, "\n") {
		r, err := ParseResult([]byte(line))
		switch {
		case err != nil:
			fmt.Fprintf(&out, "error: %s\n", err)
		case list:
			fmt.Fprintf(&out, "%s\n", AppendList(nil, r))
		default:
			fmt.Fprintf(&out, "%s\n", AppendJSON(nil, r))
		}
	}
	return out.String()
}

// orders is the stream that benchmarks and allocation tests read.
func orders(format string) *plan.Stream {
	return &plan.Stream{Name: "orders", TimeColumn: -1, Options: plan.Options{Format: format}, Columns: []row.Column{
		{Name: "time", Type: row.Of(row.Timestamp)},
		{Name: "order_id", Type: row.Of(row.Bigint)},
		{Name: "client_id", Type: row.Of(row.Bigint)},
		{Name: "symbol", Type: row.Of(row.Varchar)},
		{Name: "amount", Type: row.Of(row.Bigint)},
		{Name: "price", Type: row.DecimalType(12, 2)},
		{Name: "side", Type: row.Of(row.Varchar)},
	}}
}

var orderText = map[string]string{
	"csv":  "2016-03-22 20:25:%02d,%d,%d,EPE,710,51.00,B",
	"json": `{"time":"2016-03-22 20:25:%02d","order_id":%d,"client_id":%d,"symbol":"EPE","amount":710,"price":51.00,"side":"B"}`,
}

func orderRecords(format string) []Record {
	recs := make([]Record, row.MaxBatch)
	for i := range recs {
		recs[i].Value = fmt.Appendf(nil, orderText[format], i%60, 1_000_000+i, i%100)
	}
	return recs
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, format := range []string{"csv", "json"} {
		dec, err := NewDecoder(orders(format), nil)
		if err != nil {
			t.Fatal(err)
		}
		recs := orderRecords(format)
		var b row.Batch
		var index []int32
		var bad []BadRow
		run := func() { index, bad = dec.Decode(recs, &b, index[:0], bad[:0]) }
		run()
		if b.N != len(recs) || len(bad) != 0 {
			t.Fatalf("%s: %d rows, bad %v", format, b.N, bad)
		}
		if n := testing.AllocsPerRun(20, run); n != 0 {
			t.Errorf("%s: %v allocations for %d rows", format, n, len(recs))
		}
	}
}

// Text that had to be unescaped takes room of its own; that is one allocation for thousands of rows.
func TestEscapesHardlyAllocate(t *testing.T) {
	for format, text := range map[string]string{"csv": `"say ""hello"""`, "json": `{"a":"say \"hello\""}`} {
		s := &plan.Stream{Options: plan.Options{Format: format}, Columns: []row.Column{{Name: "a", Type: row.Of(row.Varchar)}}}
		dec, err := NewDecoder(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		recs := make([]Record, row.MaxBatch)
		for i := range recs {
			recs[i].Value = []byte(text)
		}
		var b row.Batch
		index := make([]int32, 0, row.MaxBatch)
		if n := testing.AllocsPerRun(20, func() { dec.Decode(recs, &b, index, nil) }); n > 2 {
			t.Errorf("%s: %v allocations", format, n)
		}
		if got := b.Cols[0].Str[row.MaxBatch-1]; got != `say "hello"` {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestLargeRecordIsBad(t *testing.T) {
	for _, format := range []string{"csv", "json"} {
		dec, err := NewDecoder(orders(format), nil)
		if err != nil {
			t.Fatal(err)
		}
		var b row.Batch
		_, bad := dec.Decode([]Record{{Value: make([]byte, MaxRecord+1)}}, &b, nil, nil)
		if len(bad) != 1 || bad[0].Reason != "1048577 bytes, expected at most 1 MiB" {
			t.Errorf("%s: %v", format, bad)
		}
	}
}

func TestOptionsThatDoNotWork(t *testing.T) {
	for want, o := range map[string]plan.Options{
		`stream orders: unknown format "xml", expected csv or json`:                                                        {Format: "xml"},
		`stream orders: delimiter '"', expected one ASCII character other than a quote or a line break`:                    {Delimiter: '"'},
		`stream orders: unknown time zone "Mars", expected UTC, an offset such as +09:00, or a name such as Europe/Berlin`: {Timezone: "Mars"},
		`stream orders: timestamp format "HH:mm" names no whole date, expected yyyy, MM and dd in it`:                      {TimestampFormat: "HH:mm"},
	} {
		s := orders("")
		s.Options = o
		if _, err := NewDecoder(s, nil); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name, format string
		used         []bool
	}{
		{"csv/all", "csv", nil},
		{"csv/checked", "csv", make([]bool, 7)},
		{"json/all", "json", nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			dec, err := NewDecoder(orders(c.format), c.used)
			if err != nil {
				b.Fatal(err)
			}
			recs := orderRecords(c.format)
			var batch row.Batch
			index := make([]int32, 0, row.MaxBatch)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				dec.Decode(recs, &batch, index, nil)
				rows += batch.N
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
		})
	}
}
