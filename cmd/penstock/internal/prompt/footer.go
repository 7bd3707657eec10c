package prompt

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/cmd/penstock/internal/human"
)

// footer says how much an answer is, how long it took and how fresh it is:
// (5 rows, 1.8 ms, 3/3 partitions, lag 0, as of 10:04:05).
func footer(a *Answer) string {
	parts := []string{count(int64(len(a.Rows)), "row")}
	if a.More {
		parts[0] = "the first " + parts[0]
	}
	f := a.Fresh
	if f.Partial() {
		text := fmt.Sprintf("%d/%d partitions", f.Answered, f.Total)
		if len(f.Missing) > 0 {
			text += ": " + missing(f)
		}
		return "(" + strings.Join(append(parts, text), ", ") + ")"
	}
	if f.Took > 0 {
		parts = append(parts, milliseconds(f.Took))
	}
	if f.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d/%d partitions", f.Answered, f.Total))
		if f.Lag >= 0 {
			parts = append(parts, "lag "+grouped(strconv.FormatInt(f.Lag, 10)))
		}
	}
	if !f.AsOf.IsZero() {
		parts = append(parts, "as of "+clock(f.AsOf))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// mostMissing is how many missing partitions are named.
const mostMissing = 3

// missing says which partitions are not in an answer, and why.
func missing(f Fresh) string {
	text := safe(strings.Join(f.Missing[:min(len(f.Missing), mostMissing)], ", "))
	if n := len(f.Missing) - mostMissing; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// clock is a time of today, or with its date when it is long ago: as everywhere in Penstock, UTC.
func clock(t time.Time) string {
	t = t.UTC()
	if since := time.Since(t); since > 12*time.Hour || since < -12*time.Hour {
		return t.Format(time.DateTime)
	}
	return t.Format(time.TimeOnly)
}

// count is a number with its noun: 1 row, 1,204 rows.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(strconv.FormatInt(n, 10)) + " " + noun
}

// milliseconds writes how long a query took: 0.4 ms, 12 ms, 2.1 s.
func milliseconds(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/1e6)
	}
	return human.Seconds(d)
}
