package httpapi

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"penstock/engine"
	"penstock/query/plan"
)

// livez says that the process answers. It never looks at Kafka: a check of something else here would
// turn a broker's pause into a storm of restarts.
func (s *Server) livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the client may be gone
}

// check is one thing that has to be so before the process is ready; Problem is empty when it is.
type check struct {
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
}

// checks lists what makes the process ready: it runs, its partitions are recovered, and metrics come
// when they are due.
func (s *Server) checks() []check {
	st := s.engine.Status()
	list := []check{{Name: "engine"}}
	if st.State != "running" {
		list[0].Problem = "it is " + st.State
	}
	for _, g := range st.Stages {
		c := check{Name: "group " + g.Group}
		if g.State != "running" {
			c.Problem = "it is " + g.State
			if g.Error != "" {
				c.Problem += ": " + g.Error
			}
		}
		list = append(list, c)
	}
	for _, m := range s.engine.Members()[:1] {
		c := check{Name: "tables"}
		if n := len(m.Restoring); n > 0 {
			c.Problem = fmt.Sprintf("%d of %d partitions are being restored", n, n+len(m.Partitions))
		}
		list = append(list, c)
	}
	for _, m := range s.engine.Plan().Metrics {
		if m.Emit == plan.EmitEvery {
			list = append(list, s.dueCheck(m))
		}
	}
	return list
}

// dueCheck says when the last result of a metric is older than three of its intervals.
func (s *Server) dueCheck(m *plan.Metric) check {
	c := check{Name: "metric " + m.Name}
	_, last, _ := s.engine.History(m.Name, 1)
	if len(last) == 0 {
		return c // nothing is due before the first row
	}
	if age, most := time.Since(last[0].At), 3*m.Interval+5*time.Second; age > most {
		c.Problem = fmt.Sprintf("its last result is %s old, it comes every %s", age.Round(time.Second), m.Interval)
	}
	return c
}

func (s *Server) ready() bool {
	for _, c := range s.checks() {
		if c.Problem != "" {
			return false
		}
	}
	return true
}

// readyz says whether the process does its work; with ?verbose what was checked.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	status, word := http.StatusOK, "ready"
	var b strings.Builder
	for _, c := range s.checks() {
		if c.Problem != "" {
			status, word = http.StatusServiceUnavailable, "not ready"
			fmt.Fprintf(&b, "[-] %s: %s\n", c.Name, c.Problem)
		} else {
			fmt.Fprintf(&b, "[+] %s\n", c.Name)
		}
	}
	if !r.URL.Query().Has("verbose") {
		b.Reset()
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String() + word + "\n")) // the client may be gone
}

// startupz is 503 while the process starts and restores its tables, with how far that is: an
// orchestrator waits then instead of starting it again.
func (s *Server) startupz(w http.ResponseWriter, _ *http.Request) {
	percent, started := startup(s.engine.Status(), s.engine.Members()[0])
	w.Header().Set("Content-Type", asJSON)
	if !started {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintf(w, "{\"started\":%t,\"restore_percent\":%d}\n", started, percent)
}

func startup(st engine.Status, me engine.Member) (percent int, started bool) {
	started = st.State == "running" && len(st.Stages) > 0
	for _, g := range st.Stages {
		started = started && g.State == "running"
	}
	all := 100 * len(me.Partitions)
	for _, p := range me.Restoring {
		all += max(0, p)
	}
	if n := len(me.Partitions) + len(me.Restoring); n > 0 {
		percent = all / n
	}
	return percent, started && len(me.Restoring) == 0
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	writeValue(w, map[string]string{"version": s.opts.Version, "go": runtime.Version(), "app": s.engine.Status().App})
}
