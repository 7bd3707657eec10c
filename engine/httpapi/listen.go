package httpapi

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// ErrTaken is in the error for an address that another process listens on.
var ErrTaken = errors.New("taken by another process")

// listenError says what is wrong with an address.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("http address %s is %w: choose another with --http host:port, or --http off", address, ErrTaken)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("http address %s is not for this user: choose a port above 1023 with --http host:port", address)
	}
	return fmt.Errorf("http address %s: %w", address, err)
}

// ListenLoopback listens on the loopback interface and refuses any other.
func ListenLoopback(address string) (net.Listener, error) {
	o := Options{Address: address}
	host, _, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: expected host:port, as in 127.0.0.1:6060", address)
	case !loopback(host):
		return nil, fmt.Errorf("%s can be reached from other machines: listen on 127.0.0.1", address)
	}
	ln, err := net.Listen("tcp", o.listenAddress())
	if err != nil {
		return nil, listenError(address, err)
	}
	return ln, nil
}

// LocalOnly lets requests through that are for this machine by its address or as localhost, and
// that no page of another site sent.
func LocalOnly(next http.Handler) http.Handler {
	g := newGuard(Options{}, "")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := g.check(r); p != nil {
			fail(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}
