package gen

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func lines(t testing.TB, o Options, n int) ([]string, Counts) {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, n)
	for i := range list {
		list[i] = string(g.Next(nil))
	}
	return list, g.Counts()
}

var good = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+,\d+,[A-Z]{1,4},\d{1,4},\d+\.\d\d,[BS]$`)

// isOrder says whether a line is an order, by other means than the generator's.
func isOrder(line string) bool {
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(fields) != 7 || !utf8.ValidString(line) {
		return false
	}
	if _, err := time.Parse("2006-01-02 15:04:05", fields[0]); err != nil {
		return false
	}
	for _, i := range []int{1, 2, 4} {
		if _, err := strconv.ParseInt(fields[i], 10, 64); err != nil {
			return false
		}
	}
	price, err := strconv.ParseFloat(fields[5], 64)
	return err == nil && price < 1e10 && (fields[6] == "B" || fields[6] == "S")
}

func TestOrdersLookLikeOrders(t *testing.T) {
	list, counts := lines(t, Options{Seed: 1}, 10_000)
	for _, line := range list {
		if !good.MatchString(line) || !isOrder(line) {
			t.Fatalf("no order: %q", line)
		}
	}
	if counts.Orders != 10_000 || counts.Bad != 0 || counts.Buys+counts.Sells != counts.Orders {
		t.Errorf("counts: %+v", counts)
	}
	if !strings.HasPrefix(list[0], "2016-03-22 20:25:28,1,") || !strings.HasPrefix(list[9_999], "2016-03-22 20:25:37,10000,") {
		t.Errorf("times or ids: first %q, last %q", list[0], list[9_999])
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	o := Options{Seed: 7, Clients: 1000, Symbols: 500, Bad: 0.05, Delay: 3 * time.Second, Late: 0.02}
	sum := func(o Options) string {
		list, _ := lines(t, o, 20_000)
		h := sha256.Sum256([]byte(strings.Join(list, "\n")))
		return hex.EncodeToString(h[:8])
	}
	// The bytes themselves are pinned: a test that quotes a seed quotes what it gives.
	if got := sum(o); got != wantSum {
		t.Errorf("the lines of a seed have changed: %s, expected %s", got, wantSum)
	}
	o.Seed++
	if sum(o) == wantSum {
		t.Error("another seed gave the same lines")
	}
}

const wantSum = "c1104fcc68a15bbd"

func TestBadLinesAreBad(t *testing.T) {
	list, counts := lines(t, Options{Seed: 3, Bad: 0.2}, 50_000)
	var bad int64
	for _, line := range list {
		if !isOrder(line) {
			bad++
		}
		if strings.ContainsAny(line, "\n\r") || line == "" {
			t.Fatalf("a line must be one line: %q", line)
		}
	}
	if bad != counts.Bad || counts.Orders != 50_000-bad {
		t.Errorf("%d lines are bad, the generator counted %+v", bad, counts)
	}
	if share := float64(bad) / 50_000; math.Abs(share-0.2) > 0.01 {
		t.Errorf("share of bad lines is %.3f, expected 0.2", share)
	}
}

func TestEveryClassOfBadLine(t *testing.T) {
	g, err := New(Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(badLines) < 20 {
		t.Errorf("only %d classes", len(badLines))
	}
	for _, class := range badLines {
		for range 50 {
			o := g.order(DefaultStart.Unix())
			prefix := []byte("kept")
			line := class.write(g, prefix, &o)
			if !bytes.HasPrefix(line, prefix) {
				t.Errorf("%s: does not append: %q", class.name, line)
			} else if isOrder(string(line[len(prefix):])) {
				t.Errorf("%s: is an order: %q", class.name, line)
			}
		}
	}
}

func TestSkew(t *testing.T) {
	const n = 200_000
	list, _ := lines(t, Options{Seed: 5, Clients: 1000, Symbols: 3}, n)
	clients := map[string]int{}
	symbols := map[string]int{}
	for _, line := range list {
		f := strings.Split(line, ",")
		clients[f[2]]++
		symbols[f[3]]++
	}
	if len(clients) != 1000 || len(symbols) != 3 {
		t.Errorf("%d clients and %d symbols, expected 1000 and 3", len(clients), len(symbols))
	}
	// 1 : 1/2 : 1/3 over the three symbols.
	for name, want := range map[string]float64{"AAPL": 6.0 / 11, "NVDA": 3.0 / 11, "MSFT": 2.0 / 11} {
		if got := float64(symbols[name]) / n; math.Abs(got-want) > 0.01 {
			t.Errorf("share of %s is %.3f, expected %.3f", name, got, want)
		}
	}
	busiest := 0
	for _, count := range clients {
		busiest = max(busiest, count)
	}
	if got, want := float64(busiest)/n, 1/7.485; math.Abs(got-want) > 0.01 {
		t.Errorf("share of the busiest client is %.3f, expected %.3f", got, want)
	}
}

func TestOutOfOrder(t *testing.T) {
	const delay = 4 * time.Second
	list, counts := lines(t, Options{Seed: 11, Delay: delay, Late: 0.1, Rate: 100}, 20_000)
	var newest time.Time
	var behind, late int64
	for _, line := range list {
		at, err := time.Parse("2006-01-02 15:04:05", line[:19])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case at.Before(newest.Add(-delay)):
			late++
		case at.Before(newest):
			behind++
		default:
			newest = at
		}
	}
	if behind == 0 {
		t.Error("nothing is out of order")
	}
	if late == 0 || late > counts.Late {
		t.Errorf("%d orders are late, the generator counted %d", late, counts.Late)
	}
	list, _ = lines(t, Options{Seed: 11, Delay: delay, Rate: 100}, 20_000)
	newest = time.Time{}
	for _, line := range list {
		at, _ := time.Parse("2006-01-02 15:04:05", line[:19])
		if at.Before(newest.Add(-delay)) {
			t.Fatalf("late without being asked to: %q, newest %v", line, newest)
		}
		if at.After(newest) {
			newest = at
		}
	}
}

func TestValidateReportsEverything(t *testing.T) {
	err := Options{Clients: -1, Symbols: 1 << 30, Bad: 2, Late: -1, Rate: -5, Delay: -1}.Validate()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 6 {
		t.Errorf("expected six problems, got: %v", err)
	}
}

func TestManySymbolsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range symbols(100_000) {
		if seen[s.name] {
			t.Fatalf("symbol %s twice", s.name)
		}
		seen[s.name] = true
	}
}

func BenchmarkNext(b *testing.B) {
	for name, o := range map[string]Options{
		"small": {Seed: 1, Bad: 0.001},
		"large": {Seed: 1, Bad: 0.001, Clients: 100_000, Symbols: 5_000},
	} {
		b.Run(name, func(b *testing.B) {
			g, err := New(o)
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				buf = g.Next(buf[:0])
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
