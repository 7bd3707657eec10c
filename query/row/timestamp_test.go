package row

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var anyTimestamp = rapid.OneOf(rapid.Int64Range(MinTimestamp, MaxTimestamp), rapid.Int64Range(-2*Day, 2*Day))

func TestTimestampsAgainstTime(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		us := anyTimestamp.Draw(r, "us")
		if rapid.Bool().Draw(r, "whole seconds") {
			us -= (us%Second + Second) % Second
		}
		std := time.UnixMicro(us).UTC()
		text := string(FormatTimestamp(nil, us))
		if want := std.Format("2006-01-02 15:04:05.999999"); text != want {
			r.Fatalf("%d prints as %s, want %s", us, text, want)
		}
		rfc := string(FormatRFC3339(nil, us))
		if want := std.Format("2006-01-02T15:04:05.999999Z"); rfc != want {
			r.Fatalf("%d prints as %s, want %s", us, rfc, want)
		}
		zone := time.FixedZone("", rapid.IntRange(-14*4, 14*4).Draw(r, "quarters")*900)
		for _, s := range []string{text, rfc, std.In(zone).Format("2006-01-02T15:04:05.999999-07:00"), std.In(zone).Format("2006-01-02 15:04:05.000000000-0700")} {
			if len(s) > 4 && (s[4] != '-' || s[:4] == "0000") {
				continue // the zone moved it out of the years 0001 to 9999
			}
			if back, err := ParseTimestamp(s); err != nil || back != us {
				r.Fatalf("%s reads as %d, want %d: %v", s, back, us, err)
			}
		}
		y, m, d, ofDay := Civil(us)
		if y != std.Year() || m != int(std.Month()) || d != std.Day() || FromCivil(y, m, d)+ofDay != us || FromCivil(y-1, m+12, d)+ofDay != us {
			r.Fatalf("%d is %d-%d-%d and %d", us, y, m, d, ofDay)
		}
	})
}

// Every date of 400 years and a few more, existing or not.
func TestDatesThatDoNotExist(t *testing.T) {
	for y := 1896; y < 2305; y++ {
		for m := 0; m <= 13; m++ {
			for d := 0; d <= 32; d++ {
				s := string(appendDate(nil, y, m, d))
				std, stdErr := time.Parse("2006-01-02", s)
				days, err := ParseDate(s)
				if (err == nil) != (stdErr == nil) || err == nil && days*86400 != std.Unix() {
					t.Fatalf("%s is day %d: %v, %v", s, days, err, stdErr)
				}
			}
		}
	}
}

func TestTimeFormatAgainstTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	formats := []struct {
		pattern, zone, layout string
		loc                   *time.Location
		unit                  int64
	}{
		{"yyyy-MM-dd HH:mm:ss", "", "2006-01-02 15:04:05", time.UTC, Second},
		{"dd/MM/yyyy HH:mm", "", "02/01/2006 15:04", time.UTC, Minute},
		{"M/d/yyyy h:mm:ss a", "-05:00", "1/2/2006 3:04:05 PM", time.FixedZone("", -5*3600), Second},
		{"EEE, d MMM yyyy HH:mm:ss XX", "", "Mon, 2 Jan 2006 15:04:05 -0700", berlin, Second},
		{"EEEE d MMMM yyyy 'at' HH:mm:ss.SSS", "Europe/Berlin", "Monday 2 January 2006 at 15:04:05.000", berlin, Millisecond},
		{"yyyyMMddHHmmssSSSSSS", "+0900", "20060102150405.000000", time.FixedZone("", 9*3600), Microsecond},
		{"yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "", "2006-01-02T15:04:05.000000Z07:00", berlin, Microsecond},
	}
	rapid.Check(t, func(r *rapid.T) {
		c := rapid.SampledFrom(formats).Draw(r, "format")
		f, err := CompileTimeFormat(c.pattern, c.zone)
		if err != nil {
			r.Fatal(err)
		}
		us := rapid.Int64Range(FromCivil(1000, 1, 2), FromCivil(9999, 1, 1)).Draw(r, "us")
		us -= (us%c.unit + c.unit) % c.unit
		local := time.UnixMicro(us).In(c.loc)
		if _, seconds := local.Zone(); seconds%60 != 0 {
			return // local mean time, before zones
		}
		if c.zone == "Europe/Berlin" && time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), c.loc).UnixMicro() != us {
			return // the hour that a clock change repeats: one of two readings
		}
		s := local.Format(c.layout)
		if c.pattern == "yyyyMMddHHmmssSSSSSS" {
			s = s[:14] + s[15:]
		}
		if back, err := f.Parse(s); err != nil || back != us {
			r.Fatalf("%s as %s reads as %d, want %d: %v", s, c.pattern, back, us, err)
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	for _, s := range []string{"2016-03-22 20:25:28", "2016-02-30", "2016-03-22T20:25:28.5+01:00", "1458678328", "PT5S", "1 day ago"} {
		f.Add(s, "yyyy-MM-dd HH:mm:ss")
	}
	f.Add("22/3/16 8:25 pm", "d/M/yy h:mm a")
	f.Add("-1.5", "epoch_ms")
	f.Fuzz(func(t *testing.T, s, pattern string) {
		if us, err := ParseTimestamp(s); err == nil {
			text := string(FormatTimestamp(nil, us))
			if back, err := ParseTimestamp(text); err != nil || back != us {
				t.Fatalf("%q is %s, which reads as %d, not %d: %v", s, text, back, us, err)
			}
		}
		if us, err := ParseInterval(s); err == nil {
			text := string(FormatInterval(nil, us))
			if back, err := ParseInterval(text); err != nil || back != us {
				t.Fatalf("%q is %s, which reads as %d, not %d: %v", s, text, back, us, err)
			}
		}
		if format, err := CompileTimeFormat(pattern, ""); err == nil {
			if us, err := format.Parse(s); err == nil && (us < MinTimestamp || us > MaxTimestamp) {
				t.Fatalf("%q as %q is %d", s, pattern, us)
			}
		}
	})
}

func BenchmarkParseTimestamp(b *testing.B) {
	b.Run("default", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseTimestamp("2016-03-22 20:25:28"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, pattern := range []string{"yyyy-MM-dd HH:mm:ss", "dd/MM/yyyy HH:mm:ss"} {
		b.Run(pattern, func(b *testing.B) {
			f, err := CompileTimeFormat(pattern, "")
			if err != nil {
				b.Fatal(err)
			}
			s := "2016-03-22 20:25:28"
			if pattern[0] == 'd' {
				s = "22/03/2016 20:25:28"
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := f.ParseText(s); !ok {
					b.Fatal(s)
				}
			}
		})
	}
}

// A layout is a faster way to read the same texts.
func TestLayoutReadsAsPattern(t *testing.T) {
	patterns := []string{"yyyy-MM-dd HH:mm:ss", "dd/MM/yy HH:mm", "yyyyMMddHHmmssSSS", "ss.SSSSSSSS mm HH, dd 'of' MM yyyy"}
	rapid.Check(t, func(r *rapid.T) {
		fast, err := CompileTimeFormat(rapid.SampledFrom(patterns).Draw(r, "pattern"), "")
		if err != nil || fast.layout == nil {
			r.Fatalf("no layout: %v", err)
		}
		slow := *fast
		slow.layout = nil
		// A text of the pattern, mostly with digits that make a time.
		s := []byte(fast.pattern)
		for i, c := range s {
			if maxWidth[c] > 0 {
				s[i] = "0000111122359x"[rapid.IntRange(0, 13).Draw(r, "digit")]
			}
		}
		s = s[:len(s)-rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(r, "cut")]
		a, aok := fast.ParseText(string(s))
		b, bok := slow.ParseText(string(s))
		if aok != bok || a != b {
			r.Fatalf("%s: %d %v, and %d %v", s, a, aok, b, bok)
		}
	})
}
