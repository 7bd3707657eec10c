package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Header is the first line of the table.
func Header(w io.Writer) {
	fmt.Fprintf(w, "%-33s %10s %9s %8s %8s %8s %7s %8s  %s\n",
		"", "rows/s", "took", "CPU s/M", "broker", "peak MB", "sarama", "franz-go", "")
}

// print writes a line of the table. Ratios are rates divided by those of (b).
func (m Measure) print(w io.Writer, all []Measure) {
	rate, cpu, broker := "-", "-", "-"
	if m.Rows > 0 {
		rate = thousands(int(m.Rate()))
		cpu, broker = perMillion(m.CPU, m.Rows), perMillion(m.Broker, m.Rows)
	}
	ratio := map[string]string{"sarama": "", "franz-go": ""}
	for client := range ratio {
		for _, b := range all {
			if strings.HasPrefix(b.Name, "(b)") && strings.HasSuffix(b.Name, client) && strings.HasPrefix(m.Name, "(c)") {
				ratio[client] = fmt.Sprintf("%.2f", m.Rate()/b.Rate())
			}
		}
	}
	line := fmt.Sprintf("%-33s %10s %9s %8s %8s %8d %7s %8s  %s", m.Name, rate, m.Took.Round(time.Millisecond), cpu, broker,
		m.Peak/1e6, ratio["sarama"], ratio["franz-go"], m.Note)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

func perMillion(d time.Duration, rows int) string {
	return fmt.Sprintf("%.2f", d.Seconds()/float64(rows)*1e6)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
