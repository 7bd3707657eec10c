package format

import (
	"strconv"
	"strings"
	"testing"

	"penstock/query/plan"
	"penstock/query/row"
)

// every holds a column of each type.
var every = []row.Column{
	{Name: "ts", Type: row.Of(row.Timestamp)},
	{Name: "big", Type: row.Of(row.Bigint)},
	{Name: "small", Type: row.Of(row.Integer)},
	{Name: "price", Type: row.DecimalType(12, 2)},
	{Name: "ratio", Type: row.Of(row.Double)},
	{Name: "ok", Type: row.Of(row.Boolean)},
	{Name: "day", Type: row.Of(row.Date)},
	{Name: "name", Type: row.Of(row.Varchar)},
}

// decodeOne decodes a record between two good ones, which must not change, and returns its values.
func decodeOne(t *testing.T, dec Decoder, good, value []byte) ([]row.Value, string) {
	var b row.Batch
	index, bad := dec.Decode([]Record{{Value: good}, {Value: value}, {Value: good}}, &b, nil, nil)
	if b.N != len(index) || len(index)+len(bad) > 3 || index[0] != 0 || index[b.N-1] != 2 {
		t.Fatalf("%q: index %v, bad %v", value, index, bad)
	}
	for _, r := range bad {
		if r.Index != 1 || r.Reason == "" || len(r.Reason) > 300 || r.Column != "" && !strings.HasPrefix(r.Reason, r.Column+": ") {
			t.Fatalf("%q: bad %+v", value, r)
		}
	}
	rows := make([][]row.Value, b.N)
	for n := range rows {
		for i := range every {
			rows[n] = append(rows[n], b.Cols[i].Value(n))
		}
	}
	if !equalRows(rows[0], rows[b.N-1]) {
		t.Fatalf("%q: the row behind it reads as %v", value, rows[b.N-1])
	}
	if b.N == 3 {
		return rows[1], ""
	}
	if len(bad) == 0 {
		return nil, "header"
	}
	return nil, bad[0].Reason
}

func equalRows(a, b []row.Value) bool {
	for i, c := range every {
		if !row.Equal(a[i], b[i], c.Type) {
			return false
		}
	}
	return true
}

// encodeCSV writes a row as csv, quoting by need and, so that both ways are tried, some that need it not.
func encodeCSV(values []row.Value, comma string) []byte {
	var fields []string
	for i, c := range every {
		v := values[i]
		if v.IsNull() {
			fields = append(fields, "")
			continue
		}
		s := string(row.FormatValue(nil, v, c.Type))
		if s == "" || strings.ContainsAny(s, "\"\r\n\ufeff"+comma) || len(s)%3 == 0 {
			s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
		}
		fields = append(fields, s)
	}
	return []byte(strings.Join(fields, comma))
}

func FuzzCSV(f *testing.F) {
	const good = "2016-03-22 20:25:28,1,2,51.00,0.5,t,2016-03-22,EPE"
	for _, s := range []string{good, good + "\r\n", "\ufeff" + good, ",,,,,,,", `"2016-03-22","1","2","1e1","1","f","2016-03-22","a""b,c"`,
		"1,2", strings.Replace(good, "EPE", "\xff", 1), "ts,big,small,price,ratio,ok,day,name", strings.Replace(good, "1", "99999999999999999999", 1)} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, value []byte, tab bool) {
		s := &plan.Stream{Columns: every, Options: plan.Options{Header: true, Delimiter: ','}}
		if tab {
			s.Options.Delimiter = '\t'
		}
		comma := string(s.Options.Delimiter)
		dec, err := NewDecoder(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		goodLine := []byte(strings.ReplaceAll(good, ",", comma))
		values, why := decodeOne(t, dec, goodLine, value)
		if values == nil {
			return
		}
		again := encodeCSV(values, comma)
		back, _ := decodeOne(t, dec, goodLine, again)
		if back == nil || !equalRows(values, back) {
			t.Fatalf("%q is written %q, which reads as %v: %s", value, again, back, why)
		}
	})
}

func FuzzJSON(f *testing.F) {
	const good = `{"ts":"2016-03-22 20:25:28","big":1,"small":2,"price":51.00,"ratio":0.5,"ok":true,"day":"2016-03-22","name":"EPE"}`
	for _, s := range []string{good, `{}`, ` {"name":"a\"\u00e9\ud83d\ude00","x":[1,{"y":null}]} `, `{"price":"1.5","big":1e3,"name":{"a":[]}}`,
		`{"big":1,"big":2}`, `{"name":"\ud83d"}`, `[[[[`, `{"x":` + strings.Repeat("[", 70), "\ufeff{}", `{"ratio":1e400}`} {
		f.Add([]byte(s))
	}
	dec, err := NewDecoder(&plan.Stream{Columns: every, Options: plan.Options{Format: "json"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		values, why := decodeOne(t, dec, []byte(good), value)
		if values == nil {
			if why == "header" {
				t.Fatalf("%q is lost", value)
			}
			return
		}
		again := AppendRow(nil, every, values)
		back, why := decodeOne(t, dec, []byte(good), again)
		if back == nil || !equalRows(values, back) {
			t.Fatalf("%q is written %s, which reads as %v: %s", value, again, back, why)
		}
	})
}

func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"metric":"T","start":"2016-03-22T20:25:25Z","end":"2016-03-22T20:25:30Z","rows":[{"a":1,"b":"x"},{"a":null,"b":{"error":"e"}}],"offsets":{"s":{"0":1}}}`))
	f.Add([]byte(`{"metric":"T","from":"2016-03-22","to":"2016-03-22","intervals":7,"part":1,"parts":2,"rows":[{"a":-0},{"a":1.5},{"a":"NaN"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseResult(data)
		if err != nil {
			return
		}
		text := AppendJSON(nil, r)
		again, err := ParseResult(text)
		if err != nil {
			t.Fatalf("%s is written %s: %v", strconv.Quote(string(data)), text, err)
		}
		if twice := AppendJSON(nil, again); string(twice) != string(text) {
			t.Fatalf("%s is read and written as %s", text, twice)
		}
		AppendList(nil, r)
	})
}
