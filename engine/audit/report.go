package audit

import "time"

// Report is what an audit found.
type Report struct {
	App     string
	Sources []SourceReport
	Metrics []MetricReport
	Tables  []TableReport
	Rejects *RejectsReport
	// Settled: all that follows from the rows read is published, so that what is not there is missing.
	Settled bool
	// Notes are what a reader has to know: what could not be checked, and why.
	Notes []string

	// Since is when the checkpoint was written that the audit began from, nil when at the start.
	Since *time.Time `json:",omitempty"`
	// Checkpoint is what the next audit can begin from; nil when there is none, for the reason
	// NoCheckpoint.
	Checkpoint   *Checkpoint `json:"-"`
	NoCheckpoint string      `json:",omitempty"`

	joined []joined
}

type joined struct {
	Stream    string `json:"stream"`
	Partition int32  `json:"partition"`
}

// SourceReport is a stretch of a source partition that was read again.
type SourceReport struct {
	Stream    string
	Topic     string
	Partition int32
	From, To  int64 // offsets, To exclusive
	Records   int64
	Account   string // how the account of the partition differs, empty when it does not

	cut bool
}

// MetricReport is the comparison of one metric's results, in intervals (EMIT CHANGES: in keys).
type MetricReport struct {
	Metric     string
	Compared   int64 // those of the reference that were looked for
	Equal      int64
	Different  int64
	Missing    int64
	Duplicated int64
	Unexpected int64 // published, and the reference has none there
	Pending    int64 // not published yet
	Unchecked  int64 // published, and what they were made of is gone
	Why        string
	Examples   []Difference
}

// Difference is one interval (or key) that is not as it should be.
type Difference struct {
	Kind       string // different, missing, duplicated, unexpected
	Start, End time.Time
	Key        string
	Published  string
	Expected   string
}

// examples is how many differences of a metric are shown.
const examples = 10

func (m *MetricReport) example(d Difference) {
	if len(m.Examples) < examples {
		m.Examples = append(m.Examples, d)
	}
}

// Wrong is the number of intervals that are not as they should be.
func (m *MetricReport) Wrong() int64 { return m.Different + m.Missing + m.Duplicated + m.Unexpected }

// TableReport is the comparison of a table's rows.
type TableReport struct {
	Table    string
	Rows     int
	Equal    int
	Missing  int
	Extra    int
	Why      string // why it was not compared
	Examples []Difference
}

// Wrong is the number of rows that are not as they should be.
func (t *TableReport) Wrong() int64 { return int64(t.Missing + t.Extra) }

// RejectsReport is the comparison of the rejected rows.
type RejectsReport struct {
	Topic      string
	Rows       int
	Equal      int
	Different  int
	Missing    int
	Duplicated int
	Unexpected int
	Why        string
	Examples   []Difference
}

// Wrong is the number of rejected rows that are not as they should be.
func (r *RejectsReport) Wrong() int64 {
	return int64(r.Different + r.Missing + r.Duplicated + r.Unexpected)
}

// Wrong is how many things are not as they should be.
func (r *Report) Wrong() (n int64) {
	for i := range r.Metrics {
		n += r.Metrics[i].Wrong()
	}
	for i := range r.Tables {
		n += r.Tables[i].Wrong()
	}
	if r.Rejects != nil {
		n += r.Rejects.Wrong()
	}
	for _, s := range r.Sources {
		if s.Account != "" {
			n++
		}
	}
	return n
}
