package prompt

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// widths counts columns of a terminal. Characters whose width depends on the font count one, as
// terminals outside East Asia show them.
var widths = &runewidth.Condition{EastAsianWidth: false, StrictEmojiNeutral: true}

// isNull tells whether a cell is SQL's NULL.
func isNull(cell json.RawMessage) bool { return len(cell) == 0 || string(cell) == "null" }

// cellText is a cell as psql would print it. ok is false for NULL.
func cellText(cell json.RawMessage, c Column) (text string, ok bool) {
	if isNull(cell) {
		return "", false
	}
	switch cell[0] {
	case '"':
		var s string
		if json.Unmarshal(cell, &s) != nil {
			return string(cell), true
		}
		if k := c.kind(); k == "TIMESTAMP" {
			s = strings.TrimSuffix(strings.Replace(s, "T", " ", 1), "Z")
		}
		return s, true
	case 't':
		return "t", true
	case 'f':
		return "f", true
	case '{':
		var e struct{ Error string }
		if json.Unmarshal(cell, &e) == nil && e.Error != "" {
			return "ERROR " + e.Error, true
		}
	}
	return string(cell), true
}

// grouped writes a number with separators between thousands: 18,204,112.50.
func grouped(text string) string {
	whole, fraction, dotted := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if whole == "" || strings.Trim(whole, "0123456789") != "" {
		return text
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if dotted {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// Safe makes text harmless to a terminal, as the prompt does with all that comes from records.
func Safe(text string) string { return safe(text) }

// SafeJSON does the same to JSON, which stays the same value.
func SafeJSON(raw []byte) []byte { return safeJSON(raw) }

// safe makes text that came from records harmless to a terminal: what would move the cursor,
// change colours or turn the reading direction is written as an escape.
func safe(text string) string {
	clean := true
	for _, r := range text {
		if dangerous(r) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(escape(rune(text[i])))
		case dangerous(r):
			b.WriteString(escape(r))
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// dangerous tells whether a character does something to a terminal instead of being shown:
// control characters, line separators, marks and overrides of direction.
func dangerous(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0:
		return true
	case r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x2069, r == 0xfeff:
		return r != 0x200d // joins emoji
	case r >= 0xe0000 && r <= 0xe007f:
		return true
	}
	return false
}

const hexDigits = "0123456789abcdef"

func escape(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	}
	if r < 0x100 {
		return `\x` + string([]byte{hexDigits[r>>4], hexDigits[r&15]})
	}
	return jsonEscape(r)
}

// jsonEscape writes a character as JSON may: \u202e.
func jsonEscape(r rune) string {
	if r > 0xffff {
		r -= 0x10000
		return jsonEscape(0xd800+r>>10) + jsonEscape(0xdc00+r&0x3ff)
	}
	return `\u` + string([]byte{hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15]})
}

// safeJSON is JSON without characters that do something to a terminal. It stays the same value.
func safeJSON(raw []byte) []byte {
	if !bytes.ContainsFunc(raw, dangerous) {
		return raw
	}
	var out []byte
	for _, r := range string(raw) {
		if dangerous(r) {
			out = append(out, jsonEscape(r)...)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// clip cuts text to a width, with … as its last character when something is missing.
func clip(text string, width int) string {
	if widths.StringWidth(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return widths.Truncate(text, width, "…")
}

// pad fills text up to a width.
func pad(text string, width int, right bool) string {
	gap := strings.Repeat(" ", max(0, width-widths.StringWidth(text)))
	if right {
		return gap + text
	}
	return text + gap
}

// wrapped cuts text into lines of at most width columns.
func wrapped(text string, width int) []string {
	var lines []string
	for widths.StringWidth(text) > width {
		used, end := 0, 0
		for i, r := range text {
			w := widths.RuneWidth(r)
			if used+w > width && i > 0 {
				break
			}
			used += w
			end = i + utf8.RuneLen(r)
		}
		lines, text = append(lines, text[:end]), text[end:]
	}
	return append(lines, text)
}
