package script

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"penstock/query/syntax"
)

// Name is the test's place and name, as reports show it.
func (r *Result) Name() string {
	return fmt.Sprintf("%s:%d %s", r.Test.file.Path, r.Test.Line, r.Test.Name)
}

// File is the path of the file the test stands in.
func (r *Result) File() string { return r.Test.file.Path }

// Text tells how the test went, as a person reads it: nothing of one that passed unless verbose.
func (r *Result) Text(verbose bool) string {
	took := fmt.Sprintf("(%d ms)", r.Elapsed.Milliseconds())
	if r.Passed() {
		if verbose {
			return fmt.Sprintf("--- ok: %s %s\n", r.Name(), took)
		}
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- FAIL: %s %s\n", r.Name(), took)
	if r.Fault != nil {
		b.WriteString(indent(r.Fault.Error(), "    "))
	}
	shown := map[string]bool{}
	for _, f := range r.Failures {
		b.WriteString(indent(f.text(r.Test, shown), "    "))
	}
	return b.String()
}

// text tells of one failure; a note that was shown before is not shown again.
func (f *Failure) text(t *Test, shown map[string]bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", t.place(f.Line), f.Command)
	if f.Reason != "" {
		b.WriteString(indent(f.Reason, "  "))
	}
	for _, l := range f.Diff {
		b.WriteString("  " + l + "\n")
	}
	for _, n := range f.Notes {
		if !shown[n] {
			b.WriteString("  " + n + "\n")
		}
		shown[n] = true
	}
	return b.String()
}

// indent puts a lead before every line.
func indent(s, lead string) string {
	var b strings.Builder
	for _, l := range strings.Split(strings.TrimRight(s, "\n"), "\n") {
		b.WriteString(strings.TrimRight(lead+l, " ") + "\n")
	}
	return b.String()
}

// jsonResult is a result as a line of JSON.
type jsonResult struct {
	File     string          `json:"file"`
	Line     int             `json:"line"`
	Test     string          `json:"test"`
	Passed   bool            `json:"passed"`
	Elapsed  float64         `json:"elapsed_ms"`
	Failures []jsonFailure   `json:"failures,omitempty"`
	Faults   []syntax.Report `json:"faults,omitempty"`
}

type jsonFailure struct {
	Line     int        `json:"line"`
	Command  string     `json:"command"`
	Reason   string     `json:"reason,omitempty"`
	Columns  []string   `json:"columns,omitempty"`
	Expected [][]string `json:"expected,omitempty"`
	Got      [][]string `json:"got,omitempty"`
	Notes    []string   `json:"notes,omitempty"`
}

// JSON is the result as one line of JSON.
func (r *Result) JSON() []byte {
	out := jsonResult{File: r.File(), Line: r.Test.Line, Test: r.Test.Name, Passed: r.Passed(), Elapsed: milliseconds(r.Elapsed)}
	for _, f := range r.Failures {
		j := jsonFailure{Line: f.Line, Command: f.Command, Reason: f.Reason, Notes: f.Notes}
		if f.got != nil {
			j.Columns, j.Expected, j.Got = f.got.header, f.want.rows, f.got.rows
		}
		out.Failures = append(out.Failures, j)
	}
	if r.Fault != nil {
		out.Faults = syntax.Reports(r.Fault.File, r.Fault.Text, r.Fault.Diagnostics)
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err) // text and numbers always encode
	}
	return append(b, '\n')
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// The elements of a JUnit report, as CI systems read it.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	File    string       `xml:"file,attr"`
	Line    int          `xml:"line,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitDetail `xml:"failure"`
	Error   *junitDetail `xml:"error"`
}

type junitDetail struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results as a JUnit report, a suite for each file.
func WriteJUnit(w io.Writer, results []*Result) error {
	var all junitSuites
	times := []time.Duration{}
	for _, r := range results {
		n := len(all.Suites)
		if n == 0 || all.Suites[n-1].Name != r.File() {
			all.Suites = append(all.Suites, junitSuite{Name: r.File()})
			times = append(times, 0)
			n++
		}
		s := &all.Suites[n-1]
		times[n-1] += r.Elapsed
		c := junitCase{Name: r.Test.Name, Class: r.File(), File: r.File(), Line: r.Test.Line, Time: seconds(r.Elapsed)}
		switch {
		case r.Fault != nil:
			c.Error = &junitDetail{r.Fault.Diagnostics[0].Message, r.Text(false)}
			s.Errors++
			all.Errors++
		case !r.Passed():
			c.Failure = &junitDetail{r.Failures[0].Command, r.Text(false)}
			s.Failures++
			all.Failures++
		}
		s.Tests++
		all.Tests++
		s.Time = seconds(times[n-1])
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
