package httpapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var errEnough = errors.New("enough")

// Results come as they are published; a stream is taken up where it ended.
func TestEvents(t *testing.T) {
	w := newWorld(t, 500, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM TOP5CLIENTS"}, func(a *Answer) bool { return a.RowCount == 5 })
	var got []Event
	rnd := rand.New(rand.NewPCG(5, 6))
	err := p.Client.Events(w.ctx, "/v1/events?metrics=BUYS&lag=1", "", func(e Event) error {
		if e.Name == "lag" {
			if len(got) == 0 {
				w.produce(rnd, 300, time.Date(2016, 3, 22, 20, 45, 0, 0, time.UTC))
			}
			return nil
		}
		if got = append(got, e); len(got) == 3 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || !strings.HasPrefix(string(got[0].Data), `{"metric":"BUYS","rows":[`) || got[0].ID == "" {
		t.Fatalf("%v %s", err, got)
	}
	var again []Event
	err = p.Client.Events(w.ctx, "/v1/events?metrics=BUYS", got[0].ID, func(e Event) error {
		if again = append(again, e); len(again) == 2 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || again[0].ID != got[1].ID || again[1].ID != got[2].ID {
		t.Errorf("%v: after %s came %v, expected %s and %s", err, got[0].ID, again, got[1].ID, got[2].ID)
	}
	// A client that had seen nothing of a metric gets what it has missed of it, and no more.
	start := parsePosition(got[0].ID)["TOP5CLIENTS.0"]
	err = p.Client.Events(w.ctx, "/v1/events?metrics=TOP5CLIENTS", got[0].ID, func(e Event) error {
		if at := parsePosition(e.ID)["TOP5CLIENTS.0"]; start == 0 || at <= start {
			t.Errorf("event %s after %s", e.ID, got[0].ID)
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
}

// A subscription sends an answer when the rows change, and ends with the client.
func TestSubscribe(t *testing.T) {
	w := newWorld(t, 200, 1)
	p := w.start(2, Options{})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, caughtUp)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var counts []int64
	err := p.Client.Subscribe(ctx, QueryRequest{SQL: "SELECT SUM(n) AS n FROM client_totals", EveryMS: 100}, func(a *Answer) error {
		counts = append(counts, a.Rows[0][0].D.Int64())
		if len(counts) == 1 {
			w.produce(rand.New(rand.NewPCG(7, 8)), 100, time.Date(2016, 3, 22, 20, 45, 0, 0, time.UTC))
			return nil
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) || len(counts) != 2 || counts[1] <= counts[0] {
		t.Errorf("%v %v", err, counts)
	}
	err = p.Client.Subscribe(ctx, QueryRequest{SQL: "SELECT nothing"}, func(*Answer) error { return nil })
	var problem *Problem
	if !errors.As(err, &problem) || problem.Code != "P1204" {
		t.Errorf("%v", err)
	}
}
