package engine

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"penstock/engine/broker/kafkatest"
)

// TestShares: what has a share of the memory of a process leaves a quarter to the collector, however
// much there is, and nothing is left without any.
func TestShares(t *testing.T) {
	for memory := int64(LeastMemory); memory <= 64<<30; memory *= 2 {
		s := sharesOf(memory)
		all := s.cache + maxMemTables*s.memTable + s.fold + 3*int64(s.flush) + 4*int64(s.fetch)
		if all > memory*3/4 {
			t.Errorf("%d MiB: the shares add up to %d", memory>>20, all>>20)
		}
		if s.cache <= 0 || s.memTable <= 0 || s.fold <= 0 || s.flush < leastFlush || s.fetch < leastFetch || s.frame <= 0 || s.query <= 0 || s.replay <= 0 {
			t.Errorf("%d MiB: %+v", memory>>20, s)
		}
	}
}

// TestShowMemory: every process is in the answer with each of its parts, also those of others.
func TestShowMemory(t *testing.T) {
	for _, b := range kafkatest.Brokers(t) {
		t.Run(b.Name, func(t *testing.T) {
			app := kafkatest.Unique(t, "memory")
			o := Options{Brokers: []string{b.Addr}, App: app, Plan: servePlan(t, app), FoldPartitions: 2, CreateSources: true, Memory: LeastMemory}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			o.StateDir = filepath.Join(t.TempDir(), "one")
			one := start(t, o, Service{})
			o.StateDir = filepath.Join(t.TempDir(), "two")
			two := start(t, o, Service{})
			want := len(one.Memory())
			a := until(t, ctx, one.Engine, Query{SQL: "show memory;"}, func(a *Answer) bool { return a.Rows.Len() == 2*want })
			rows, err := a.Rows.All()
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range rows {
				instance := one.opts.InstanceID
				if i >= want {
					instance = two.opts.InstanceID
				}
				if r[0].S != instance || r[1].S != one.Memory()[i%want].Component || r[2].I < 0 {
					t.Errorf("row %d: %v", i, r)
				}
				if r[1].S == "process" && (r[2].I < 10<<20 || r[3].I != LeastMemory) {
					t.Errorf("the process has %v bytes, bound %v", r[2].I, r[3].I)
				}
			}
		})
	}
}
