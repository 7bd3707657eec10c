package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Secret is a text that is shown to nobody: whatever prints it prints <secret>.
type Secret string

const hidden = "<secret>"

// Format implements fmt.Formatter, for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return json.Marshal(hidden) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// Mechanisms are the SASL mechanisms that Security knows.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// Security says how connections to Kafka are encrypted, and as whom they are made. A nil one does
// neither. It is read only once it is in use.
type Security struct {
	// TLS encrypts (security.protocol=SSL or SASL_SSL). The broker's certificate has to be one of
	// an authority that we trust, for the host that we dial; nothing switches that off.
	TLS bool
	// CAFile names the authorities (PEM) that are trusted in place of the machine's
	// (ssl.truststore.location, ssl.ca.location).
	CAFile string
	// CertFile and KeyFile (PEM) are shown to brokers that ask for a certificate
	// (ssl.keystore.location, ssl.certificate.location). They are read for every connection, so
	// that one that is renewed in place is used.
	CertFile, KeyFile string
	// Mechanism is how we say who we are (sasl.mechanism), one of Mechanisms; empty: we do not.
	Mechanism string
	// User and Password (sasl.jaas.config; sasl.username, sasl.password).
	User     string
	Password Secret

	roots *x509.CertPool // of CAFile
}

// Load checks the options, reads the files and prepares for connections. It reports everything
// that is wrong at once.
func (s *Security) Load() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.CAFile != "" {
		if pem, err := os.ReadFile(s.CAFile); err != nil {
			bad("read the authorities: %w", err)
		} else if s.roots = x509.NewCertPool(); !s.roots.AppendCertsFromPEM(pem) {
			bad("%s has no certificate in the PEM form", s.CAFile)
		}
	}
	switch {
	case (s.CertFile == "") != (s.KeyFile == ""):
		bad("a certificate and its key belong together: one of them is missing")
	case s.CertFile != "":
		if _, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile); err != nil {
			bad("read the certificate: %w", err)
		}
	}
	if !s.TLS && (s.CAFile != "" || s.CertFile != "") {
		bad("certificates are given, but the connection is to be plaintext")
	}
	if s.Mechanism != "" && !slices.Contains(Mechanisms, s.Mechanism) {
		bad("SASL mechanism %q, expected %s", s.Mechanism, strings.Join(Mechanisms, ", "))
	}
	if s.Mechanism == "" && (s.User != "" || s.Password != "") {
		bad("a user or password is given, but no SASL mechanism: %s", strings.Join(Mechanisms, ", "))
	}
	if s.Mechanism != "" && (s.User == "" || s.Password == "") {
		bad("SASL mechanism %s needs a user and a password", s.Mechanism)
	}
	return errors.Join(errs...)
}

// Protocol is Kafka's name of what the options come to (security.protocol).
func (s *Security) Protocol() string {
	switch {
	case s == nil || !s.TLS && s.Mechanism == "":
		return "PLAINTEXT"
	case s.Mechanism == "":
		return "SSL"
	case !s.TLS:
		return "SASL_PLAINTEXT"
	}
	return "SASL_SSL"
}

func (s *Security) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots}
	if s.CertFile != "" {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
			return &cert, err
		}
	}
	return c
}

// mechanism is how franz-go says who we are. sarama takes its steps too.
func (s *Security) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: string(s.Password)}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: string(s.Password)}.AsSha256Mechanism()
	}
	return scram.Auth{User: s.User, Pass: string(s.Password)}.AsSha512Mechanism()
}

// ClientOptions are the options of a franz-go client for this.
func (s *Security) ClientOptions() (opts []kgo.Opt) {
	if s == nil {
		return nil
	}
	if s.TLS {
		opts = append(opts, kgo.DialTLSConfig(s.tls()))
	}
	if s.Mechanism != "" {
		opts = append(opts, kgo.SASL(s.mechanism()))
	}
	return opts
}

// sarama sets the same on a config of sarama's.
func (s *Security) sarama(c *sarama.Config) {
	if s == nil {
		return
	}
	if s.TLS {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, s.tls()
	}
	if s.Mechanism == "" {
		return
	}
	c.Net.SASL.Enable, c.Net.SASL.Mechanism = true, sarama.SASLMechanism(s.Mechanism)
	c.Net.SASL.User, c.Net.SASL.Password = s.User, string(s.Password)
	c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramSteps{mechanism: s.mechanism()} }
}

// scramSteps is the exchange of SCRAM for sarama, which brings none: franz-go's.
type scramSteps struct {
	mechanism sasl.Mechanism
	session   sasl.Session
	done      bool
}

// Begin implements sarama.SCRAMClient. The mechanism knows user and password.
func (*scramSteps) Begin(_, _, _ string) error { return nil }

// Step implements sarama.SCRAMClient.
func (c *scramSteps) Step(challenge string) (string, error) {
	var reply []byte
	var err error
	if c.session == nil {
		c.session, reply, err = c.mechanism.Authenticate(context.Background(), "")
	} else {
		c.done, reply, err = c.session.Challenge([]byte(challenge))
	}
	return string(reply), err
}

// Done implements sarama.SCRAMClient.
func (c *scramSteps) Done() bool { return c.done }
