package main

import (
	"testing"
	"time"

	"penstock/cmd/penstock/internal/human"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", 7: "7", 7.25: "7.2", 812: "812", 9120.4: "9,120", 48211: "48.2 k", 999_999: "1.00 M",
		1_220_000: "1.22 M", 41_200_000: "41.2 M", 5e11: "500 G",
	} {
		if got := short(n); got != want {
			t.Errorf("short(%v) is %q, expected %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) is %q, expected %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{12: "12 B", 3 << 20: "3.0 MiB", 5 << 39: "2.5 TiB"} {
		if got := human.Bytes(n); got != want {
			t.Errorf("bytesText(%d) is %q, expected %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		800 * time.Millisecond: "0.8 s", 41 * time.Second: "41 s", 134 * time.Second: "2 m 14 s", 134 * time.Minute: "2 h 14 m",
	} {
		if got := human.Seconds(d); got != want {
			t.Errorf("took(%v) is %q, expected %q", d, got, want)
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"10/s": 10, "600/m": 10, "7200/h": 2, "1_000": 1000, "0.5/s": 0.5} {
		var r rate
		if err := r.Set(text); err != nil || r.perSecond != want {
			t.Errorf("%s is %v (%v), expected %v", text, r.perSecond, err, want)
		}
	}
	for _, text := range []string{"", "x", "0", "-1", "NaN", "Inf", "1/y", "/s"} {
		var r rate
		if err := r.Set(text); err == nil {
			t.Errorf("%q was taken for a rate", text)
		}
	}
}
