package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/engine"
)

func TestGuard(t *testing.T) {
	g := newGuard(Options{Address: "127.0.0.1:8085", Hosts: []string{"metrics.example"}}, "node7.internal:8085")
	locked := newGuard(Options{Token: "s3cret"}, "")
	for _, x := range []struct {
		g      *guard
		path   string
		host   string
		header string
		code   string
	}{
		{g, "/v1/tables", "localhost:8085", "", ""},
		{g, "/v1/tables", "127.0.0.1:8085", "", ""},
		{g, "/v1/tables", "[::1]:8085", "", ""},
		{g, "/v1/tables", "LOCALHOST", "", ""},
		{g, "/v1/tables", "metrics.example:8085", "", ""},
		{g, "/v1/tables", "node7.internal:8085", "", ""},
		{g, "/v1/tables", "evil.example:8085", "", codeHost},
		{g, "/v1/tables", "localhost.evil.example", "", codeHost},
		{g, "/livez", "evil.example", "", codeHost},
		{g, "/v1/tables", "", "", codeHost},
		{g, "/v1/tables", "localhost:8085", "Origin: http://localhost:8085", ""},
		{g, "/v1/tables", "localhost:8085", "Origin: http://localhost:3000", codeOrigin},
		{g, "/v1/tables", "localhost:8085", "Origin: https://evil.example", codeOrigin},
		{g, "/v1/tables", "localhost:8085", "Origin: null", codeOrigin},
		{g, "/v1/tables", "localhost:8085", "Sec-Fetch-Site: cross-site", codeOrigin},
		{g, "/v1/tables", "localhost:8085", "Sec-Fetch-Site: none", ""},
		{locked, "/v1/tables", "localhost", "", codeToken},
		{locked, "/v1/tables", "localhost", "Authorization: Bearer wrong", codeToken},
		{locked, "/v1/tables", "localhost", "Authorization: Bearer ", codeToken},
		{locked, "/v1/tables", "localhost", "Authorization: s3cret", codeToken},
		{locked, "/v1/tables", "localhost", "Authorization: Bearer s3cret", ""},
		{locked, "/livez", "localhost", "", ""},
		{locked, "/metrics", "localhost", "", codeToken},
		{locked, "/internal/v1/part", "localhost", "", codeToken},
	} {
		r := httptest.NewRequest("GET", "http://x"+x.path, nil)
		r.Host = x.host
		if name, value, ok := strings.Cut(x.header, ": "); ok {
			r.Header.Set(name, value)
		}
		code := ""
		if p := x.g.check(r); p != nil {
			code = p.Code
		}
		if code != x.code {
			t.Errorf("%s for %q with %q: %q, expected %q", x.path, x.host, x.header, code, x.code)
		}
	}
}

func TestOptionsRefuseWhatOthersCanReach(t *testing.T) {
	for _, x := range []struct {
		o    Options
		says string
	}{
		{Options{Address: "127.0.0.1:0"}, ""},
		{Options{Address: ":8085"}, ""},
		{Options{Address: "[::1]:8085"}, ""},
		{Options{Address: "localhost:8085"}, ""},
		{Options{Address: "0.0.0.0:8085"}, "--http-tls-cert, --http-tls-key and --http-token-file"},
		{Options{Address: "[::]:8085"}, "--http-tls-cert"},
		{Options{Address: "10.1.2.3:8085", Token: "x"}, "--http-tls-cert"},
		{Options{Address: "10.1.2.3:8085", TLSCert: "a", TLSKey: "b"}, "--http-token-file"},
		{Options{Address: "10.1.2.3:8085", TLSCert: "a", TLSKey: "b", Token: "x"}, ""},
		{Options{Address: "8085"}, "expected host:port"},
		{Options{Address: ":1", TLSCert: "a"}, "belong together"},
	} {
		err := x.o.Validate()
		if x.says == "" && err != nil || x.says != "" && (err == nil || !strings.Contains(err.Error(), x.says)) {
			t.Errorf("%+v: %v, expected %q", x.o, err, x.says)
		}
	}
	if o := (Options{Address: ":8085"}); o.listenAddress() != "127.0.0.1:8085" {
		t.Errorf("no host listens on %s", o.listenAddress())
	}
}

func TestTakenAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, err = Listen(Options{Address: ln.Addr().String()}, nil)
	if !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), "choose another with --http") {
		t.Errorf("%v", err)
	}
	if _, err := ListenLoopback("0.0.0.0:0"); err == nil {
		t.Error("profiles for everybody")
	}
}

// certificate writes a certificate for this machine by itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	return cert, key
}

func writeCertificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A certificate can be replaced while the server serves; what is no certificate changes nothing.
func TestReload(t *testing.T) {
	cert, key := certificate(t)
	w := newWorld(t, 10, 1)
	p := w.start(1, Options{Address: "127.0.0.1:0", TLSCert: cert, TLSKey: key})
	serial := func() string {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.Server.URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	writeCertificate(t, cert, key, 2)
	if got := serial(); got != "1" {
		t.Errorf("certificate %s before it was read again", got)
	}
	if err := p.Reload(); err != nil || serial() != "2" {
		t.Errorf("certificate %s, %v; expected 2", serial(), err)
	}
	conf, err := Options{TLSCert: cert}.peerTLS()
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: conf}}).Get(p.Server.URL() + "/livez"); err != nil || resp.StatusCode != 200 {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(cert, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err == nil || serial() != "2" {
		t.Errorf("certificate %s, %v; expected 2 and an error", serial(), err)
	}
}

// Two processes on https with a token ask each other; nobody else gets in.
func TestTLSAndToken(t *testing.T) {
	w := newWorld(t, 500, 2)
	cert, key := certificate(t)
	o := Options{Address: "127.0.0.1:0", TLSCert: cert, TLSKey: key, Token: "s3cret"}
	a, b := w.start(4, o), w.start(4, o)
	conf, err := o.peerTLS()
	if err != nil {
		t.Fatal(err)
	}
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
	for _, p := range []*process{a, b} {
		c, err := NewClient(p.Server.URL(), "s3cret", trusting)
		if err != nil {
			t.Fatal(err)
		}
		got := w.until(c, QueryRequest{SQL: "SELECT * FROM client_totals"}, func(x *Answer) bool { return caughtUp(x) && len(x.Fresh.Members) == 2 })
		if shown(got) != w.table("client_totals") {
			t.Errorf("%s", shown(got))
		}
	}
	stranger, err := NewClient(a.Server.URL(), "guess", trusting)
	if err != nil {
		t.Fatal(err)
	}
	var problem *Problem
	if _, err := stranger.Query(w.ctx, QueryRequest{SQL: "SELECT 1"}); !errors.As(err, &problem) || problem.Status != http.StatusUnauthorized {
		t.Errorf("%v", err)
	}
	old := &tls.Config{RootCAs: conf.RootCAs, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(a.Server.URL(), "https://"), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is let in")
	}
}

// Connections that never finish their headers are closed, and meanwhile the others are served.
func TestSlowHeaders(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(1, Options{HeaderTimeout: 500 * time.Millisecond})
	addr := strings.TrimPrefix(p.Server.URL(), "http://")
	var conns []net.Conn
	for range 1000 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	if status, _, body := p.body(t, "GET", "/livez", "", "", ""); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1024)
		for {
			if _, err := c.Read(b); err != nil {
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					t.Fatal("a connection is still open")
				}
				break
			}
		}
		_ = c.Close()
	}
}

func TestLargeHeaders(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(1, Options{})
	req, err := http.NewRequest("GET", p.Server.URL()+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the server hung up
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s", resp.Status)
	}
}

// More queries than may run at the same time wait, and are refused after a while.
func TestQueriesAtOnce(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(1, Options{Queries: 1})
	w.until(p.Client, QueryRequest{SQL: "SELECT * FROM client_totals"}, func(a *Answer) bool { return !a.Fresh.Partial })
	release, err := p.Server.slot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var problem *Problem
	if _, err := p.Client.Query(w.ctx, QueryRequest{SQL: "SELECT 1"}); !errors.As(err, &problem) || problem.Status != http.StatusTooManyRequests {
		t.Errorf("%v", err)
	}
	if _, err := p.Client.Query(w.ctx, QueryRequest{SQL: "SELECT 1", TimeoutMS: 50}); !errors.As(err, &problem) || problem.Status != http.StatusGatewayTimeout || problem.Code != codeTimeout {
		t.Errorf("%v, expected that the time was over", err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := p.Client.Query(ctx, QueryRequest{SQL: "SELECT 1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, expected that the client gave up", err)
	}
	release()
	if _, err := p.Client.Query(w.ctx, QueryRequest{SQL: "SELECT 1"}); err != nil {
		t.Error(err)
	}
}

// A process refuses what is meant for another one, or comes from one with another query file.
func TestPartsForOthers(t *testing.T) {
	w := newWorld(t, 10, 1)
	p := w.start(1, Options{})
	me := p.Server.engine.Members()[0]
	for _, q := range []engine.PartRequest{
		{App: "app", Plan: me.Plan, Instance: "other", SQL: "SELECT * FROM client_totals"},
		{App: "other", Plan: me.Plan, Instance: me.Instance, SQL: "SELECT * FROM client_totals"},
		{App: "app", Plan: "other", Instance: me.Instance, SQL: "SELECT * FROM client_totals"},
	} {
		var problem *Problem
		if _, err := p.Server.ask(w.ctx, p.Server.URL(), q); !errors.As(err, &problem) || problem.Code != codeOtherMember {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
