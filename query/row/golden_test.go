package row

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The files under testdata say what a text becomes and how it is shown. Commands:
//
//	parse type=T      each line as ParseValue reads it: psql's text, JSON, key
//	format pattern=P zone=Z   each line as a timestamp of that pattern
//	interval          each line as an INTERVAL
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				out.WriteString(goldenLine(t, d, line) + "\n")
			}
			return out.String()
		})
	})
}

func goldenLine(t *testing.T, d *datadriven.TestData, line string) string {
	if unquoted, err := strconv.Unquote(line); err == nil {
		line = unquoted
	}
	switch d.Cmd {
	case "parse":
		typ := goldenType(t, d)
		v, err := ParseValue(line, typ)
		if err != nil {
			return "error: " + err.Error()
		}
		text := FormatValue(nil, v, typ)
		back, err := ParseValue(string(text), typ)
		if err != nil || !Equal(v, back, typ) {
			t.Errorf("%s: %s reads back as %+v: %v", d.Pos, text, back, err)
		}
		return fmt.Sprintf("%s  %s  %x", text, AppendJSON(nil, v, typ), AppendKey(nil, v, typ))
	case "format":
		var pattern, zone string
		d.MaybeScanArgs(t, "zone", &zone)
		d.ScanArgs(t, "pattern", &pattern)
		f, err := CompileTimeFormat(strings.ReplaceAll(pattern, "_", " "), zone)
		if strings.HasPrefix(pattern, "epoch") {
			f, err = CompileTimeFormat(pattern, zone)
		}
		if err != nil {
			return "error: " + err.Error()
		}
		us, err := f.Parse(line)
		if err != nil {
			return "error: " + err.Error()
		}
		return string(FormatTimestamp(nil, us))
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

func goldenType(t *testing.T, d *datadriven.TestData) Type {
	var name string
	d.ScanArgs(t, "type", &name)
	var p, s int
	if n, _ := fmt.Sscanf(name, "decimal/%d/%d", &p, &s); n == 2 {
		return DecimalType(p, s)
	}
	if n, _ := fmt.Sscanf(name, "varchar/%d", &p); n == 1 {
		return Type{Kind: Varchar, Length: int32(p)}
	}
	for k, kindName := range kindNames {
		if strings.EqualFold(strings.Fields(kindName)[0], name) {
			return Of(Kind(k))
		}
	}
	t.Fatalf("%s: unknown type %s", d.Pos, name)
	return Type{}
}
