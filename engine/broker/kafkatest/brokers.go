package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"penstock/engine/broker"
)

// Env is the environment variable that decides about Apache Kafka; see the
// package's documentation.
const Env = "PENSTOCK_TEST_KAFKA"

// Named is a broker to test against.
type Named struct {
	Name string // "embedded" or "apache", for t.Run
	Addr string // host:port
}

// Brokers returns the brokers a test has to hold on: a fresh embedded one, closed
// when the test ends, and the Apache Kafka that the test process shares. Where
// there is none the log says why, or the test fails when it is required.
func Brokers(t testing.TB) []Named {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	all := []Named{{Name: "embedded", Addr: b.Addr()}}
	if addr, ok := Apache(t); ok {
		all = append(all, Named{Name: "apache", Addr: addr})
	}
	return all
}

// Apache returns the address of the shared Apache Kafka, starting it for the
// first who asks.
func Apache(t testing.TB) (addr string, ok bool) {
	t.Helper()
	addr, err := sharedAddr(os.Getenv(Env))
	var unavailable *Unavailable
	switch {
	case err == nil:
		return addr, true
	case errors.As(err, &unavailable) && os.Getenv(Env) != "required":
		t.Logf("only the embedded broker is tested: %s (%s=required makes this an error)", unavailable.Reason, Env)
		return "", false
	}
	t.Fatal(err)
	return "", false
}

// shared is the one Apache Kafka of a test process. A variable of the package,
// because tests have no other owner in common; Main stops it.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

func sharedAddr(env string) (string, error) {
	switch {
	case env == "off":
		return "", &Unavailable{Env + " is off"}
	case strings.Contains(env, ":"):
		return env, nil
	case env != "" && env != "required":
		return "", fmt.Errorf("%s is %q, expected required, off, host:port or nothing", Env, env)
	}
	shared.once.Do(func() {
		shared.cluster, shared.err = Start(context.Background(), Options{})
	})
	if shared.err != nil {
		return "", shared.err
	}
	return shared.cluster.Addrs()[0], nil
}

// Main is the TestMain of a package that calls Brokers or Apache: it runs the
// tests, stops the shared Kafka and ends the process.
func Main(m *testing.M) {
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Unique makes a name for a topic, group or application that no other test uses,
// also not the same test in another run.
func Unique(t testing.TB, name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%s-%s-%08x", clean[:min(len(clean), 60)], name, rand.Uint32())
}
