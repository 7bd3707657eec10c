package bench_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/cmd/penstock/gen"
	"penstock/engine/bench"
	"penstock/engine/broker"
	"penstock/examples"
)

func lines(p bench.Profile) (func([]byte) []byte, error) {
	g, err := gen.New(gen.Options{Seed: 1, Clients: p.Clients, Symbols: p.Symbols})
	if err != nil {
		return nil, err
	}
	return g.Next, nil
}

func TestMain(m *testing.M) {
	bench.Child(lines)
	os.Exit(m.Run())
}

// A few orders go through every step, with the results compared. Figures are cmd/bench's business.
func TestRun(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "penstock")
	if out, err := exec.Command("go", "build", "-o", binary, "penstock/cmd/penstock").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	flags := []string{"--session-timeout", "1s"} // (d) waits for it
	var table strings.Builder
	list, err := bench.Run(t.Context(), bench.Options{
		Profile: bench.Profile{Name: "tiny", Clients: 50, Symbols: 20, Rows: 20_000}, Query: examples.Orders, Binary: binary,
		Brokers: []string{another(t)}, Dir: t.TempDir(), Live: []int{1000}, LiveFor: 2 * time.Second, Out: &table,
		Flags: flags,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, table.String())
	}
	t.Log("\n" + table.String())
	if len(list) != 9 {
		t.Errorf("%d lines, expected 9", len(list))
	}
	for _, m := range list {
		if m.Took <= 0 || m.CPU <= 0 || m.Peak <= 0 {
			t.Errorf("%s: took %s, CPU %s, peak %d", m.Name, m.Took, m.CPU, m.Peak)
		}
	}
	fat, err := bench.Run(t.Context(), bench.Options{
		Profile: bench.Profile{Name: "fat", Rows: 4_000, Fat: true}, Binary: binary, Brokers: []string{another(t)}, Dir: t.TempDir(), Flags: flags,
	})
	if err != nil || len(fat) != 4 || fat[3].Rows < 4_000 {
		t.Errorf("fat rows: %v, %v", fat, err)
	}
	took, err := bench.StartTime(context.Background(), 3, binary, "check", "../../examples/orders/orders.sql")
	if err != nil || took <= 0 {
		t.Errorf("start time %s, %v", took, err)
	}
}

// another starts a broker without topics.
func another(t *testing.T) string {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.Addr()
}
