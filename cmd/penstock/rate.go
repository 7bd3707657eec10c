package main

import (
	"fmt"
	"strconv"
	"strings"
)

// rate is a flag such as 10/s, 600/m or 1000 (per second). The zero value is no limit.
type rate struct{ perSecond float64 }

// String, Set and Type make rate a flag.
func (r *rate) String() string {
	if r.perSecond == 0 {
		return ""
	}
	return strconv.FormatFloat(r.perSecond, 'f', -1, 64) + "/s"
}

// Set reads a number, with /s, /m or /h behind it or nothing, which is /s.
func (r *rate) Set(text string) error {
	number, unit, _ := strings.Cut(text, "/")
	seconds := 1.0
	switch unit {
	case "", "s", "sec", "second":
	case "m", "min", "minute":
		seconds = 60
	case "h", "hour":
		seconds = 3600
	default:
		return fmt.Errorf("unknown unit %q, expected /s, /m or /h", unit)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(number, "_", ""), 64)
	if err != nil || !(n > 0) || n > 1e12 {
		return fmt.Errorf("%q is no rate, expected one such as 10/s", text)
	}
	r.perSecond = n / seconds
	return nil
}

// Type is the word that help shows for the value.
func (*rate) Type() string { return "rate" }
