package live

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"
)

// TestViews draws views from scripts. The commands are
//
//	view title=... metrics=(A,B)    begin with an empty view
//	add                             the results of the input, one JSON a line
//	status per-second= read= bad= lag= state= notice=
//	draw width= height=             the view as text
//	colors width= height=           the same with the colours as <31>text<0>
func TestViews(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var v *View
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "view":
				var names []string
				if arg, ok := d.Arg("metrics"); ok {
					names = arg.Vals
				}
				v = NewView("penstock demo", names...)
				return ""
			case "add":
				for _, text := range strings.Split(d.Input, "\n") {
					r, err := ParseResult([]byte(text))
					if err != nil {
						return err.Error()
					}
					v.Add(r)
				}
				return fmt.Sprintf("ready: %v", v.Ready())
			case "status":
				s := Status{AsOf: v.status.AsOf}
				d.MaybeScanArgs(t, "per-second", &s.PerSecond)
				d.MaybeScanArgs(t, "read", &s.Read)
				d.MaybeScanArgs(t, "bad", &s.Bad)
				d.MaybeScanArgs(t, "lag", &s.Lag)
				d.MaybeScanArgs(t, "state", &s.State)
				v.SetStatus(s)
				return ""
			case "draw", "colors":
				var width, height int
				d.ScanArgs(t, "width", &width)
				d.ScanArgs(t, "height", &height)
				text := strings.Join(v.Draw(width, height, d.Cmd == "colors"), "\n")
				text = regexp.MustCompile("\x1b\\[([0-9;]*)m").ReplaceAllString(text, "<$1>")
				return regexp.MustCompile(`(?m) +$`).ReplaceAllString(text, "")
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

// TestSparklineOfInfinity: infinite and enormous values have a place too.
func TestSparklineOfInfinity(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{1, inf, 2}, "▁█▁"},
		{[]float64{-inf, 1, 2}, "▁▁█"},
		{[]float64{-inf, inf}, "▁█"},
		{[]float64{-math.MaxFloat64, 0, math.MaxFloat64}, "▁▁█"},
		{[]float64{0, 4, 8}, "▁▅█"},
	} {
		present := []bool{true, true, true}[:len(c.values)]
		if got := sparkline(c.values, present, 10); got != c.want {
			t.Errorf("%v: got %s, want %s", c.values, got, c.want)
		}
	}
}

// TestEveryWidth: whatever comes and however small the terminal is, a line is exactly as wide as
// the terminal, and there are not more of them than fit.
func TestEveryWidth(t *testing.T) {
	colors := regexp.MustCompile("\x1b\\[[0-9;]*m")
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"BUYS", "지표", "a name longer than most terminals would show in one line", "🙂", ""}), 0, 6).Draw(t, "names")
		v := NewView(rapid.SampledFrom([]string{"demo", "한국어 제목", ""}).Draw(t, "title"), names...)
		for range rapid.IntRange(0, 20).Draw(t, "results") {
			v.Add(drawResult(t))
		}
		v.SetStatus(Status{PerSecond: 1e6, Read: rapid.Int64Range(0, 1e15).Draw(t, "read"), Bad: 3, Lag: 1e9, State: "restoring"})
		width, height := rapid.IntRange(1, 200).Draw(t, "width"), rapid.IntRange(1, 60).Draw(t, "height")
		lines := v.Draw(width, height, rapid.Bool().Draw(t, "color"))
		if len(lines) > height || len(lines) == 0 {
			t.Fatalf("%d lines for a height of %d", len(lines), height)
		}
		for _, l := range lines {
			if got := columns.StringWidth(colors.ReplaceAllString(l, "")); got != width {
				t.Fatalf("a line is %d columns wide, expected %d: %q", got, width, l)
			}
		}
	})
}

func drawResult(t *rapid.T) Result {
	r := Result{
		Metric:    rapid.SampledFrom([]string{"BUYS", "지표", "x", "y", "z"}).Draw(t, "metric"),
		End:       time.Unix(rapid.Int64Range(0, 1e10).Draw(t, "end"), 0),
		Intervals: rapid.IntRange(1, 1e6).Draw(t, "intervals"),
	}
	n := rapid.IntRange(0, 4).Draw(t, "columns")
	for c := range n {
		r.Columns = append(r.Columns, fmt.Sprint("c", c))
	}
	cell := rapid.Custom(func(t *rapid.T) Cell {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"12", "-5.25", "NaN", "Infinity", "EPE", "한글", "a\x1b[2Jb", "👩‍👩‍👧"})).Draw(t, "cell")
		return textCell(text)
	})
	for range rapid.IntRange(0, 12).Draw(t, "rows") {
		r.Rows = append(r.Rows, rapid.SliceOfN(cell, n, n).Draw(t, "row"))
	}
	return r
}

func TestParseResult(t *testing.T) {
	r, err := ParseResult([]byte(`{"metric":"M","from":"2016-03-22T20:25:25Z","to":"2016-03-22T20:35:25Z","intervals":120,` +
		`"rows":[{"zeta":1,"alpha":"12.50","mid":null,"bad":{"error":"too large"},"ok":true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Intervals != 120 || r.End.Minute() != 35 || strings.Join(r.Columns, " ") != "zeta alpha mid bad ok" {
		t.Errorf("%+v", r)
	}
	var texts []string
	for _, c := range r.Rows[0] {
		texts = append(texts, c.Text)
	}
	if got := strings.Join(texts, "|"); got != "1|12.50|-|too large|t" {
		t.Error(got)
	}
	for _, bad := range []string{"", "{}", "List(69)", `{"metric":"M","rows":[1]}`, `{"metric":"M","rows":[{"a":}]}`} {
		if _, err := ParseResult([]byte(bad)); err == nil {
			t.Errorf("%q was taken for a result", bad)
		}
	}
}
