package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Options say where a server listens and whom it lets in. The zero value of every field but
// Address works.
type Options struct {
	// Address to listen on, host:port. Without a host it is the loopback interface. Any other than
	// loopback needs TLSCert, TLSKey and Token.
	Address string
	// Advertise is host:port under which the other processes of the application reach this one;
	// default the address, with the machine's name where that is all interfaces.
	Advertise string
	// TLSCert and TLSKey are PEM files. With them it speaks https only, TLS 1.2 or newer.
	TLSCert, TLSKey string
	// TLSCA is a PEM file of the authorities by which the other processes' certificates are
	// checked, beside the machine's own and TLSCert.
	TLSCA string
	// Token is what a client has to show as a bearer token; empty: nothing. All processes of an
	// application need the same.
	Token string
	// Hosts are more names that a request may be for. IP addresses, localhost, the machine's name
	// and Advertise are always fine.
	Hosts []string

	// QueryTimeout bounds a query that asks for nothing else, default 30 s; MaxTimeout is the most
	// it may ask for, default 10 min.
	QueryTimeout, MaxTimeout time.Duration
	// Queries is how many run at the same time, default 16; more wait up to a second.
	Queries int
	// MaxRows and MaxBytes bound one query, default 1,000,000 rows and 256 MiB.
	MaxRows  int
	MaxBytes int64
	// HeaderTimeout and IdleTimeout bound how long a connection may take to send its headers and may
	// stay unused, default 5 s and 1 min.
	HeaderTimeout, IdleTimeout time.Duration
	// MetricValues exports metrics of one number as penstock_metric_value.
	MetricValues bool
	// Version is shown by /version and in penstock_build_info.
	Version string
	Logger  *slog.Logger // default: none
}

const (
	maxBody   = 1 << 20
	maxHeader = 16 << 10
	// queueWait is how long a query waits for its turn.
	queueWait = time.Second
)

func (o Options) withDefaults() Options {
	after := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	after(&o.QueryTimeout, 30*time.Second)
	after(&o.MaxTimeout, 10*time.Minute)
	after(&o.HeaderTimeout, 5*time.Second)
	after(&o.IdleTimeout, time.Minute)
	if o.Queries == 0 {
		o.Queries = 16
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	return o
}

// Validate reports everything that is wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		bad("http address %q: expected host:port, as in 127.0.0.1:8085", o.Address)
	} else if !loopback(host) && (o.TLSCert == "" || o.TLSKey == "" || o.Token == "") {
		bad("http address %s can be reached from other machines: add --http-tls-cert, --http-tls-key and --http-token-file, or listen on 127.0.0.1", o.Address)
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		bad("--http-tls-cert and --http-tls-key belong together: one is missing")
	}
	if o.Advertise != "" {
		if _, _, err := net.SplitHostPort(o.Advertise); err != nil {
			bad("advertised address %q: expected host:port", o.Advertise)
		}
	}
	if o.Queries < 0 || o.MaxRows < 0 || o.MaxBytes < 0 {
		bad("a limit below zero")
	}
	return errors.Join(errs...)
}

// loopback tells whether a host is this machine's alone. No host is: Listen takes 127.0.0.1 then.
func loopback(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// listenAddress is the address with the host filled in.
func (o Options) listenAddress() string {
	if host, port, err := net.SplitHostPort(o.Address); err == nil && host == "" {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return o.Address
}

// advertised is where others reach a server that listens on addr.
func (o Options) advertised(addr net.Addr) string {
	if o.Advertise != "" {
		return o.Advertise
	}
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return addr.String()
	}
	if name, err := os.Hostname(); err == nil {
		host = name
	}
	return net.JoinHostPort(host, port)
}

// certificates is the certificate of a server, which can be replaced while it serves.
type certificates struct {
	certFile, keyFile string
	cert              atomic.Pointer[tls.Certificate]
}

// certificates is nil without TLS.
func (o Options) certificates() (*certificates, error) {
	if o.TLSCert == "" {
		return nil, nil
	}
	c := &certificates{certFile: o.TLSCert, keyFile: o.TLSKey}
	return c, c.load()
}

func (c *certificates) load() error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate of --http-tls-cert and --http-tls-key: %w", err)
	}
	c.cert.Store(&cert)
	return nil
}

func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.cert.Load(), nil
}

// peerTLS is by what the certificates of other processes are checked.
func (o Options) peerTLS() (*tls.Config, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, file := range []string{o.TLSCA, o.TLSCert} {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", file)
		}
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
