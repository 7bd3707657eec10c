package prompt

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/cmd/penstock/internal/human"
	"penstock/cmd/penstock/live"
)

// liveEvery is how often a live view asks.
const liveEvery = time.Second

// live is \live: a query as a table that is redrawn in place. It only looks: leaving it ends
// nothing in the engine.
func (s *Session) live(ctx context.Context, arg string, _ script) error {
	sql := orElse(orElse(strings.TrimRight(arg, "; \n"), s.pending), s.last)
	if sql == "" {
		return wrong(`no query to show: \live SELECT ...`)
	}
	if !s.person || s.editor == nil {
		return wrong(`\live needs a terminal`)
	}
	sql = ended(s.substitute(sql))
	s.last = sql
	// The first answer comes before the screen is taken, so that a mistake is shown as ever.
	started := time.Now()
	var first *Answer
	err := s.interruptible(ctx, func(ctx context.Context) (err error) {
		first, err = s.ask(ctx, sql)
		return err
	})
	if err != nil || first == nil {
		return withoutPlace(err)
	}
	v := &liveView{s: s, sql: sql, view: live.NewQuery(s.liveTitle(ctx, sql))}
	v.take(first)
	if err := v.run(ctx); err != nil {
		return err
	}
	width, _ := s.size()
	for _, l := range v.view.Draw(width, 1000, s.Color, "", v.foot) {
		fmt.Fprintln(s.Out, l)
	}
	fmt.Fprintln(s.Out, wrapWords("view closed after "+human.Seconds(time.Since(started))+", metric keeps running", width, 2))
	return nil
}

// liveView asks a question again and again and draws the answers.
type liveView struct {
	s    *Session
	sql  string
	view *live.Query
	foot string
}

type liveAnswer struct {
	a   *Answer
	err error
}

// run draws until a key asks to leave or ctx ends.
func (v *liveView) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	keys := make(chan byte, 16)
	screen, err := live.OpenWith(v.s.Out, v.s.In, keys)
	if err != nil {
		cancel()
		return err
	}
	v.s.notices.to(nil)
	defer v.s.notices.to(v.s.editor.rl.Stdout())
	v.s.editor.keys.give(viewer)
	pressed := make(chan struct{})
	go func() {
		defer close(pressed)
		v.s.editor.keys.pressed(keys)
	}()
	answers := make(chan liveAnswer, 1)
	asking := make(chan struct{})
	go func() {
		defer close(asking)
		v.askAgain(ctx, answers)
	}()
	defer func() {
		cancel()
		v.s.editor.keys.give(nobody)
		<-pressed
		<-asking
		screen.Close()
	}()
	frames := time.NewTicker(200 * time.Millisecond) // the size of the terminal may have changed
	defer frames.Stop()
	for {
		width, height := screen.Size()
		hint := "every " + interval(liveEvery) + ", q to leave"
		if err := screen.Draw(v.view.Draw(width, height, v.s.Color, hint, v.foot)); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			if live.Leaves(key) {
				return nil
			}
		case got := <-answers:
			if got.err != nil {
				v.foot = strings.SplitN(withoutPlace(got.err).Error(), "\n", 2)[0]
			} else {
				v.take(got.a)
			}
		case <-frames.C:
		}
	}
}

func (v *liveView) askAgain(ctx context.Context, answers chan<- liveAnswer) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a, err := v.s.ask(ctx, v.sql)
		select {
		case answers <- liveAnswer{a, err}:
		case <-ctx.Done():
			return
		}
	}
}

// take shows an answer.
func (v *liveView) take(a *Answer) {
	v.view.Add(liveResult(a))
	v.foot = liveFoot(a)
}

func liveFoot(a *Answer) string {
	f := a.Fresh
	var parts []string
	if f.Total > 0 {
		text := fmt.Sprintf("%d/%d partitions", f.Answered, f.Total)
		if len(f.Missing) > 0 {
			text += ": " + missing(f)
		}
		parts = append(parts, text)
		if f.Lag >= 0 {
			parts = append(parts, "lag "+grouped(strconv.FormatInt(f.Lag, 10)))
		}
	}
	if !f.AsOf.IsZero() {
		parts = append(parts, "as of "+clock(f.AsOf))
	}
	return strings.Join(append(parts, count(int64(len(a.Rows)), "row")), "   ")
}

// liveResult makes rows for a view: a label, and the last column that is a number as what the bars
// show. All other columns are part of the label.
func liveResult(a *Answer) live.Result {
	value := -1
	for i, c := range a.Columns {
		if c.numeric() && (i > 0 || len(a.Columns) == 1) {
			value = i
		}
	}
	r := live.Result{Intervals: 1, Columns: []string{"label", "value"}}
	if len(a.Columns) == 1 || value < 0 {
		r.Columns = r.Columns[:1]
	}
	label := make([]int, len(a.Columns))
	for _, row := range a.Rows {
		for i, cell := range row {
			text, _ := cellText(cell, a.Columns[i])
			label[i] = max(label[i], widths.StringWidth(safe(text)))
		}
	}
	for _, row := range a.Rows {
		var parts []string
		for i, cell := range row {
			if i == value || strings.HasPrefix(a.Columns[i].Name, "window_") && len(a.Columns) > 2 {
				continue // the foot says as of when
			}
			text, _ := cellText(cell, a.Columns[i])
			parts = append(parts, pad(safe(text), label[i], a.Columns[i].numeric() && i > 0))
		}
		var cells []live.Cell
		if len(parts) > 0 {
			cells = append(cells, live.Cell{Text: strings.TrimRight(strings.Join(parts, "  "), " ")})
		}
		if value >= 0 {
			text, ok := cellText(row[value], a.Columns[value])
			n, err := strconv.ParseFloat(text, 64)
			cells = append(cells, live.Cell{Text: text, Number: n, IsNumber: ok && err == nil})
		}
		r.Rows = append(r.Rows, cells)
	}
	return r
}

// liveTitle is what the query reads, and since when that counts.
func (s *Session) liveTitle(ctx context.Context, sql string) string {
	p := placeOf(sql, len(sql)-1)
	if len(p.reads) != 1 {
		return "live"
	}
	for _, r := range s.known() {
		if strings.EqualFold(r.Name, p.reads[0]) {
			if _, window, ok := strings.Cut(r.Source, ", "); ok {
				return r.Name + ", " + window
			}
			return r.Name
		}
	}
	return p.reads[0]
}
