package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
)

// guard decides who may ask.
type guard struct {
	token atomic.Pointer[string] // empty: none is needed
	hosts map[string]bool
}

func newGuard(o Options, advertised string) *guard {
	g := &guard{hosts: map[string]bool{"localhost": true}}
	g.token.Store(&o.Token)
	add := func(host string) { g.hosts[strings.ToLower(host)] = true }
	for _, h := range o.Hosts {
		add(h)
	}
	if host, _, err := net.SplitHostPort(advertised); err == nil {
		add(host)
	}
	if host, _, err := net.SplitHostPort(o.Address); err == nil && host != "" {
		add(host)
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	return g
}

// unguarded are the paths that need no token: an orchestrator has none, and they say nothing.
var unguarded = map[string]bool{"/livez": true, "/readyz": true, "/startupz": true}

// check returns why a request is refused, nil when it is not.
//
// A web page can make the operator's browser send requests here. With a name of its own that
// resolves to this machine (DNS rebinding) it could even read the answers; so names that nobody
// gave us are refused. An IP address cannot be rebound. Requests of other sites' pages carry an
// Origin that is not the host they are sent to.
func (g *guard) check(r *http.Request) *Problem {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if net.ParseIP(host) == nil && !g.hosts[host] {
		return newProblem(http.StatusForbidden, codeHost, "the request is for a host that this server is not known by", "use its address, or name the host with --http-host")
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return newProblem(http.StatusForbidden, codeOrigin, "the request comes from a page of another site", "")
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	link := r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" // a link somebody clicked
	if (site == "cross-site" || site == "same-site") && !link {
		return newProblem(http.StatusForbidden, codeOrigin, "the request comes from a page of another site", "")
	}
	token := *g.token.Load()
	if token == "" || unguarded[r.URL.Path] {
		return nil
	}
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	got, want := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(token)) // of one length
	if !ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return newProblem(http.StatusUnauthorized, codeToken, "the request shows no token, or not the right one", "send Authorization: Bearer and the token of --http-token-file")
	}
	return nil
}
