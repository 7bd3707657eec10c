package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"penstock/engine/broker/kafkatest"
)

// served is a run with https and a token, and the files that it has them from.
type served struct {
	*process
	url, pem, tokenFile string
	pool                *x509.CertPool // of the certificate that is in the file now
}

func serve(t *testing.T) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{process: &process{t: t}, pem: filepath.Join(dir, "server.pem"), tokenFile: filepath.Join(dir, "token")}
	s.renew("first")
	file := filepath.Join(dir, "clicks.sql")
	s.write(file, []byte(clicksSQL))
	s.process = startProcess(t, "run", file, "--state-dir", filepath.Join(dir, "state"), "--broker-listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--http-tls-cert", s.pem, "--http-tls-key", s.pem, "--http-token-file", s.tokenFile)
	_, s.url, _ = strings.Cut(s.await("queries at https://"), "queries at ")
	return s
}

func (s *served) write(file string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// renew puts another certificate, of another authority, and a token into the files.
func (s *served) renew(token string) {
	s.t.Helper()
	dir := s.t.TempDir()
	authority, _, err := kafkatest.TLS(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	trusted, err := os.ReadFile(authority)
	if err != nil {
		s.t.Fatal(err)
	}
	pair, err := os.ReadFile(filepath.Join(dir, "broker.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(s.pem, pair)
	s.write(s.tokenFile, []byte(token+"\n"))
	s.pool = x509.NewCertPool()
	s.pool.AppendCertsFromPEM(trusted)
}

// ask asks on a new connection, and returns the status that comes back.
func (s *served) ask(pool *x509.CertPool, token string) (int, error) {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+"/v1/tables", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func (s *served) expect(when string, pool *x509.CertPool, token string, status int) {
	s.t.Helper()
	if got, err := s.ask(pool, token); got != status || err != nil {
		s.t.Errorf("%s: status %d (%v), expected %d", when, got, err, status)
	}
}

func (s *served) hangUp(say ...string) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	for _, line := range say {
		s.await(line)
	}
}

// TestHangUp: SIGHUP to the running process reads certificate and token again; with files that hold
// none it stays with those it had, and it never ends the process.
func TestHangUp(t *testing.T) {
	s := serve(t)
	first := s.pool
	s.expect("at the start", first, "first", http.StatusOK)
	s.expect("with a wrong token", first, "second", http.StatusUnauthorized)

	s.renew("second")
	s.expect("before the signal", first, "first", http.StatusOK)
	s.hangUp("certificate read again", "token read again")
	s.expect("after it", s.pool, "second", http.StatusOK)
	s.expect("with the old token", s.pool, "first", http.StatusUnauthorized)
	var unknown x509.UnknownAuthorityError
	if _, err := s.ask(first, "second"); !errors.As(err, &unknown) {
		t.Errorf("the old certificate is still shown: %v", err)
	}

	s.write(s.pem, []byte("none"))
	s.write(s.tokenFile, nil)
	s.hangUp("certificate stays as it was", "token stays as it was")
	s.expect("after one with bad files", s.pool, "second", http.StatusOK)
	s.stop(os.Interrupt, exitDone)
}
