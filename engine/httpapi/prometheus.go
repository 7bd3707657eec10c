package httpapi

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"penstock/engine/core"
	"penstock/query/plan"
	"penstock/query/row"
)

// metrics is /metrics, with a registry of its own. Most of it is read off the engine when somebody
// asks; no label has a client, a symbol or anything else that data brings.
type metrics struct {
	server    *Server
	handler   http.Handler
	durations *prometheus.HistogramVec
	latency   prometheus.Histogram
	emits     *prometheus.CounterVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{server: s, durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "penstock_query_duration_seconds", Help: "How long queries took, by protocol.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"protocol"}), latency: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "penstock_emit_latency_seconds", Help: "How long after the end of their interval results were published, where time is Kafka's.",
		Buckets: []float64{.1, .25, .5, 1, 2, 2.5, 3, 4, 5, 10, 30, 60, 300},
	}), emits: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "penstock_emits_total", Help: "Results published by this process.",
	}, []string{"metric"})}
	for _, metric := range s.engine.Plan().Metrics {
		m.emits.WithLabelValues(metric.Name)
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(m, m.durations, m.latency, m.emits, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	return m
}

func (m *metrics) query(protocol string, took time.Duration) {
	m.durations.WithLabelValues(protocol).Observe(took.Seconds())
}

// emitted is told of every result that the engine has published.
func (m *metrics) emitted(metric string, after time.Duration, known bool) {
	m.emits.WithLabelValues(metric).Inc()
	if known {
		m.latency.Observe(after.Seconds())
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("penstock_"+name, help, labels, nil)
}

var (
	buildInfo   = desc("build_info", "Always 1; the labels tell what runs.", "version", "goversion")
	consumed    = desc("records_consumed_total", "Records read from a source partition.", "stream", "partition")
	rejected    = desc("records_rejected_total", "Records that did not become rows, or rows that no table could take.", "stream", "reason")
	late        = desc("records_late_total", "Rows that came after every window they belong to had ended.", "metric")
	lagRecords  = desc("consumer_lag_records", "Records of a source partition that were not read yet.", "topic", "partition")
	lagSeconds  = desc("consumer_lag_seconds", "How old the newest row read is while records wait, where time is Kafka's.", "topic", "partition")
	watermark   = desc("watermark_timestamp_seconds", "The lowest clock of the stream's partitions that are read here.", "stream")
	tableKeys   = desc("table_keys", "Rows of a table, when last counted.", "table", "partition")
	tableSize   = desc("table_size_bytes", "Size of the state of a table, about.", "table", "partition")
	restoring   = desc("restore_remaining_records", "Changelog records that a partition of the tables still has to read.", "table", "partition")
	rebalances  = desc("rebalances_total", "Times that partitions were assigned to this process.")
	memoryUse   = desc("memory_bytes", "Memory that a part of the process holds, as SHOW MEMORY lists it.", "component")
	memoryBound = desc("memory_bound_bytes", "What bounds that memory, where something does.", "component")
	upReady     = desc("up_ready", "1 when the process is ready.")
	metricValue = desc("metric_value", "The latest result of a metric that is one number.", "metric")
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, consumed, rejected, late, lagRecords, lagSeconds, watermark,
		tableKeys, tableSize, restoring, rebalances, memoryUse, memoryBound, upReady, metricValue} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	e := m.server.engine
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(buildInfo, 1, m.server.opts.Version, runtime.Version())
	ready := 0.0
	if m.server.ready() {
		ready = 1
	}
	gauge(upReady, ready)
	m.collectStreams(gauge, counter)
	n := 0
	for _, g := range e.Status().Stages {
		n += g.Sessions
	}
	counter(rebalances, float64(n))
	for _, t := range e.TableSizes() {
		p := strconv.Itoa(int(t.Partition))
		for name, bytes := range t.Bytes {
			gauge(tableSize, float64(bytes), name, p)
		}
		gauge(restoring, float64(t.Remaining), "all", p)
		for name, keys := range t.Keys {
			gauge(tableKeys, float64(keys), name, p)
		}
	}
	for _, u := range e.Memory() {
		gauge(memoryUse, float64(u.Bytes), u.Component)
		if u.Bound > 0 {
			gauge(memoryBound, float64(u.Bound), u.Component)
		}
	}
	if m.server.opts.MetricValues {
		m.collectValues(gauge)
	}
}

type emitFunc func(d *prometheus.Desc, v float64, labels ...string)

func (m *metrics) collectStreams(gauge, counter emitFunc) {
	p := m.server.engine.Plan()
	lateRows := map[string]int64{}
	for _, st := range m.server.engine.Status().Streams {
		if len(st.Partitions) == 0 {
			continue
		}
		stream := p.Stream(st.Stream)
		var clock int64
		clocked := true
		for i, s := range st.Partitions {
			part := strconv.Itoa(int(s.Partition))
			counter(consumed, float64(s.Tally.Read), st.Stream, part)
			lag := max(0, s.End-s.Offset)
			gauge(lagRecords, float64(lag), st.Topic, part)
			if stream.TimeColumn < 0 && s.Started {
				age := 0.0
				if lag > 0 {
					newest := s.Clock + stream.Options.Delay.Microseconds()
					age = max(0, time.Since(time.UnixMicro(newest)).Seconds())
				}
				gauge(lagSeconds, age, st.Topic, part)
			}
			if i == 0 || s.Clock < clock {
				clock = s.Clock
			}
			clocked = clocked && s.Started
		}
		if clocked {
			gauge(watermark, float64(clock)/1e6, st.Stream)
		}
		t := st.Tally()
		var failed int64
		for i, table := range core.TablesOf(p, stream) {
			if i < len(t.Tables) {
				failed += t.Tables[i].Failed
				lateRows[table.Name] = t.Tables[i].Late
			}
		}
		counter(rejected, float64(t.Bad), st.Stream, "bad")
		counter(rejected, float64(failed), st.Stream, "failed")
	}
	for _, metric := range p.Metrics {
		if n, ok := lateRows[metric.Read.Table.Name]; ok {
			counter(late, float64(n), metric.Name)
		}
	}
}

// collectValues exports the metrics whose latest result is one number.
func (m *metrics) collectValues(gauge emitFunc) {
	e := m.server.engine
	for _, metric := range e.Plan().Metrics {
		if metric.Emit == plan.EmitChanges || len(metric.Read.Output) != 1 {
			continue
		}
		_, last, _ := e.History(metric.Name, 1)
		if len(last) != 1 || len(last[0].Result.Rows) != 1 {
			continue
		}
		if v, ok := number(last[0].Result.Rows[0][0], metric.Read.Output[0].Expr.Type()); ok {
			gauge(metricValue, v, metric.Name)
		}
	}
}

func number(v row.Value, t row.Type) (float64, bool) {
	if v.State != row.Valid || !t.Numeric() {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(row.FormatValue(nil, v, t)), 64)
	return f, err == nil
}
