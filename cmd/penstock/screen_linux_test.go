package main

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// screen is what somebody sees who sits at a terminal: it follows the sequences that the prompt and its
// views write. Lines that have scrolled away stay above.
type screen struct {
	width, height int
	main, alt     [][]string // rows of cells; what stands in the second column of a wide character is ""
	top           int        // the row of main that is the first of the screen
	row, col      int        // in rows of the buffer that is shown
	other         [2]int     // the cursor of main while alt is shown
	inAlt, noWrap bool
}

var sequence = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

// play shows a text from the beginning.
func play(text string, width, height int) *screen {
	s := &screen{width: width, height: height}
	for text != "" {
		if m := sequence.FindStringSubmatch(text); m != nil {
			s.control(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		if text[0] == 0x1b || !utf8.FullRuneInString(text) {
			break // the rest of it is still to come
		}
		r, n := utf8.DecodeRuneInString(text)
		s.put(r)
		text = text[n:]
	}
	return s
}

func (s *screen) rows() *[][]string {
	if s.inAlt {
		return &s.alt
	}
	return &s.main
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.col = 0
	case '\n':
		s.row++
	case '\b':
		s.col = max(0, s.col-1)
	case '\a', 0:
	default:
		w := runewidth.RuneWidth(r)
		if s.col+w > s.width && s.noWrap {
			s.col = s.width - w
		}
		if s.col+w > s.width {
			s.row, s.col = s.row+1, 0
		}
		line := s.line()
		for len(line) < s.col+w {
			line = append(line, " ")
		}
		line[s.col] = string(r)
		if w == 2 {
			line[s.col+1] = ""
		}
		(*s.rows())[s.row] = line
		s.col += w
	}
	s.line()
	if !s.inAlt {
		s.top = max(s.top, s.row-s.height+1)
	}
}

// line is the row of the cursor.
func (s *screen) line() []string {
	rows := s.rows()
	for len(*rows) <= s.row {
		*rows = append(*rows, nil)
	}
	return (*rows)[s.row]
}

func (s *screen) control(args, verb string) {
	n, _ := strconv.Atoi(args)
	n = max(1, n)
	switch verb {
	case "A":
		s.row = max(0, s.row-n)
	case "C":
		s.col = min(s.width-1, s.col+n)
	case "H":
		s.row, s.col = s.top, 0
		if s.inAlt {
			s.row = 0
		}
	case "J", "K":
		s.erase(args, verb)
	case "h", "l":
		s.mode(args, verb == "h")
	}
}

func (s *screen) erase(args, verb string) {
	line, rows := s.line(), s.rows()
	from := min(s.col, len(line))
	if args == "2" {
		from = 0
	}
	(*rows)[s.row] = line[:from]
	if verb == "J" {
		*rows = (*rows)[:s.row+1]
	}
}

func (s *screen) mode(args string, on bool) {
	switch args {
	case "?7":
		s.noWrap = !on
	case "?1049":
		if on == s.inAlt {
			return
		}
		s.inAlt = on
		if on {
			s.alt, s.other = nil, [2]int{s.row, s.col}
			s.row, s.col = 0, 0
		} else {
			s.row, s.col = s.other[0], s.other[1]
		}
	}
}

// lines are what is shown, with what has scrolled away, without spaces at the ends of lines.
func (s *screen) lines() []string {
	var lines []string
	for _, row := range *s.rows() {
		lines = append(lines, strings.TrimRight(strings.Join(row, ""), " "))
	}
	return lines
}
