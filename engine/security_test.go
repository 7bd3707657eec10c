package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/engine/broker/kafkatest"
)

// The users of the tests. Alice may do everything, bob only be there.
const (
	alicePassword = "canary-of-alice-7Qz"
	bobPassword   = "canary-of-bob-3Xk"
)

// secureKafka is an Apache Kafka that also listens with SASL_SSL, nil where there is none.
func secureKafka(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	if os.Getenv(kafkatest.Env) == "off" {
		t.Log("only Apache Kafka listens with SASL_SSL, and it is off")
		return nil
	}
	ctx := testContext(t, 2*time.Minute)
	kafka, err := kafkatest.Start(ctx, kafkatest.Options{
		Users: map[string]string{"alice": alicePassword, "bob": bobPassword},
		Config: map[string]string{
			"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users":           "User:ANONYMOUS;User:alice",
		},
	})
	var un *kafkatest.Unavailable
	if errors.As(err, &un) {
		if _, ok := kafkatest.Apache(t); !ok { // which fails where Apache Kafka is required
			return nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Stop() })
	return kafka
}

// TestSecureKafka runs queries through SASL_SSL, with each mechanism, and is refused in every way
// there is: in words, and at once.
func TestSecureKafka(t *testing.T) {
	kafka := secureKafka(t)
	if kafka == nil {
		return
	}
	var log bytes.Buffer
	for _, mechanism := range Mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			k := newCircumstances(t, kafka.Addrs(), kafkatest.Unique(t, "t"), 1000)
			o := k.options(filepath.Join(t.TempDir(), "state"), true)
			o.Brokers, o.Security = kafka.Secure(), alice(kafka, mechanism)
			if err := o.Security.Load(); err != nil {
				t.Fatal(err)
			}
			o.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			e, err := New(o)
			if err == nil {
				err = e.Run(k.ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			k.check()
		})
	}
	if !strings.Contains(log.String(), "partitions assigned") {
		t.Error("the log is empty")
	}
	t.Run("refused", func(t *testing.T) { testRefused(t, kafka, &log) })
	for _, canary := range []string{alicePassword, bobPassword} {
		if strings.Contains(log.String(), canary) {
			t.Errorf("a password is in the log")
		}
	}
}

func alice(kafka *kafkatest.Cluster, mechanism string) *Security {
	return &Security{TLS: true, CAFile: kafka.Authority(), Mechanism: mechanism, User: "alice", Password: alicePassword}
}

func testRefused(t *testing.T, kafka *kafkatest.Cluster, log *bytes.Buffer) {
	change := func(mechanism string, by func(*Security)) *Security {
		s := alice(kafka, mechanism)
		by(s)
		return s
	}
	secure, plaintext := kafka.Secure(), kafka.Addrs()
	for _, c := range []struct {
		what    string
		brokers []string
		s       *Security
		say     string
	}{
		{"wrong password, PLAIN", secure, change("PLAIN", func(s *Security) { s.Password = bobPassword }), "refuses user alice by PLAIN: wrong user or password"},
		{"wrong password, SCRAM", secure, change("SCRAM-SHA-512", func(s *Security) { s.Password = bobPassword }), "refuses user alice by SCRAM-SHA-512: wrong user or password"},
		{"unknown user", secure, change("SCRAM-SHA-256", func(s *Security) { s.User = "carol" }), "refuses user carol by SCRAM-SHA-256"},
		{"unknown authority", secure, change("PLAIN", func(s *Security) { s.CAFile = "" }), "authority that is not trusted"},
		{"TLS on a plaintext port", plaintext, change("PLAIN", func(*Security) {}), "closes the connection at once"},
		{"plaintext on a TLS port", secure, nil, "the port speaks TLS"},
		{"TLS without SASL", secure, change("", func(s *Security) { s.User, s.Password = "", "" }), "closes the connection at once"},
		{"SASL on a plaintext port", plaintext, change("PLAIN", func(s *Security) { s.TLS, s.CAFile = false, "" }), "does not ask who we are, but SASL is set"},
		{"no rights", secure, change("SCRAM-SHA-512", func(s *Security) { s.User, s.Password = "bob", bobPassword }), "user bob may not use a topic as it has to: "},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.s != nil {
				if err := c.s.Load(); err != nil {
					t.Fatal(err)
				}
			}
			o := Options{Brokers: c.brokers, Security: c.s, App: "refused", Plan: ownTopics(exampleplan(t, "orders/orders_event_time.sql"), "refused"),
				StateDir: filepath.Join(t.TempDir(), "state"), CreateSources: true,
				Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			began := time.Now()
			e, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			err = e.Run(testContext(t, 30*time.Second))
			no := Refused(err, c.brokers, c.s)
			if no == nil || !strings.Contains(no.Error(), c.say) {
				t.Errorf("got %v (%v), expected %q", err, no, c.say)
			}
			t.Logf("after %v: %v", time.Since(began).Round(time.Millisecond), err)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestSecretsAreNotShown: whatever way a password is printed, it is not.
func TestSecretsAreNotShown(t *testing.T) {
	s := Security{User: "alice", Password: alicePassword}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "security", s, "password", s.Password)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "security", s, "password", s.Password)
	all := fmt.Sprintf("%s %v %+v %#v %q %x %s", s.Password, s, &s, s, s.Password, s.Password, text) + log.String()
	if strings.Contains(all, alicePassword) || strings.Contains(all, fmt.Sprintf("%x", alicePassword)) {
		t.Errorf("a password is shown:\n%s", all)
	}
	if n := strings.Count(all, hidden); n < 8 {
		t.Errorf("%d times %s, expected it in place of each:\n%s", n, hidden, all)
	}
}

// TestSecurityIsChecked: everything that is wrong is said at once.
func TestSecurityIsChecked(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := Security{CAFile: empty, CertFile: empty, Mechanism: "GSSAPI"}
	err := s.Load()
	if err == nil {
		t.Fatal("no error")
	}
	for _, say := range []string{
		"has no certificate in the PEM form", "a certificate and its key belong together", "the connection is to be plaintext",
		`SASL mechanism "GSSAPI", expected PLAIN, SCRAM-SHA-256, SCRAM-SHA-512`, "needs a user and a password",
	} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("the error does not say %q:\n%v", say, err)
		}
	}
	if err := (&Security{TLS: true}).Load(); err != nil {
		t.Error(err)
	}
}

// TestRefusedByNobody: what goes away by itself is no refusal.
func TestRefusedByNobody(t *testing.T) {
	for _, err := range []error{nil, context.DeadlineExceeded, errors.New("connection refused"), os.ErrNotExist} {
		if no := Refused(err, nil, nil); no != nil {
			t.Errorf("%v: %v", err, no)
		}
	}
}
