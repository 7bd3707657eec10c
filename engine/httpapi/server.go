package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"penstock/engine"
)

// Server answers for one engine.
type Server struct {
	engine  *engine.Engine
	opts    Options
	log     *slog.Logger
	ln      net.Listener
	http    *http.Server
	url     string // as others reach it
	cert    *certificates
	peers   atomic.Pointer[http.Client]
	guard   *guard
	slots   chan struct{} // one for each query that runs
	tails   chan struct{} // one for each stream of a topic's records
	metrics *metrics
	started time.Time

	closing sync.Once
	closed  chan struct{} // ends streams that would go on for ever
}

// Listen takes the address, so that a taken one is known before anything else happens, and
// introduces itself to the engine, which must not run yet. Serve answers.
func Listen(o Options, e *engine.Engine) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	cert, err := o.certificates()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", o.listenAddress())
	if err != nil {
		return nil, listenError(o.Address, err)
	}
	scheme := "http://"
	if cert != nil {
		scheme = "https://"
		ln = tls.NewListener(ln, &tls.Config{GetCertificate: cert.current, MinVersion: tls.VersionTLS12})
	}
	advertised := o.advertised(ln.Addr())
	s := &Server{
		engine: e, opts: o, log: o.Logger, ln: ln, url: scheme + advertised, cert: cert, guard: newGuard(o, advertised),
		slots: make(chan struct{}, o.Queries), tails: make(chan struct{}, maxTails), started: time.Now(), closed: make(chan struct{}),
	}
	if err := s.openPeers(); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.metrics = newMetrics(s)
	s.http = &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: o.HeaderTimeout, ReadTimeout: o.HeaderTimeout + 10*time.Second,
		IdleTimeout: o.IdleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	e.Serve(engine.Service{Address: s.url, Ask: s.ask, Emitted: s.metrics.emitted})
	return s, nil
}

// URL is where the other processes, and people, reach the server.
func (s *Server) URL() string { return s.url }

// Reload reads the files with certificates again: connections that begin from now on use what is
// in them. With an error it stays with those it had. Without TLS it does nothing.
func (s *Server) Reload() error {
	if s.cert == nil {
		return nil
	}
	if err := s.cert.load(); err != nil {
		return err
	}
	old := s.peers.Load()
	if err := s.openPeers(); err != nil {
		return err
	}
	old.CloseIdleConnections()
	return nil
}

// SetToken replaces the token that requests have to show, and that the other processes are shown:
// until all of them have it, their answers are partial. A server that began without one needs none.
func (s *Server) SetToken(token string) {
	if s.opts.Token != "" && token != "" {
		s.guard.token.Store(&token)
	}
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("http: %w", err)
	}
	return nil
}

// Close lets the requests in progress end until ctx is done, then cuts them off. Safe twice.
func (s *Server) Close(ctx context.Context) error {
	s.closing.Do(func() { close(s.closed) })
	s.peers.Load().CloseIdleConnections()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// route is a path that the server answers. The list is also what /openapi.json is held against.
type route struct {
	method, path string
	handle       http.HandlerFunc
}

func (s *Server) routes() []route {
	return []route{
		{"POST", "/v1/query", s.query},
		{"GET", "/v1/tables", s.tables},
		{"GET", "/v1/tables/{name}", s.table},
		{"GET", "/v1/tables/{name}/{key...}", s.tableKey},
		{"GET", "/v1/metrics", s.metricList},
		{"GET", "/v1/metrics/{name}", s.metricLatest},
		{"GET", "/v1/metrics/{name}/history", s.metricHistory},
		{"GET", "/v1/streams", s.streams},
		{"GET", "/v1/partitions", s.partitions},
		{"GET", "/v1/plan", s.plan},
		{"GET", "/v1/rejects", s.rejects},
		{"GET", "/v1/events", s.events},
		{"GET", "/v1/topics", s.topics},
		{"GET", "/v1/topics/{name}/records", s.topicRecords},
		{"GET", "/metrics", s.metrics.handler.ServeHTTP},
		{"GET", "/livez", s.livez},
		{"GET", "/readyz", s.readyz},
		{"GET", "/startupz", s.startupz},
		{"GET", "/version", s.version},
		{"GET", "/openapi.json", s.openapi},
		{"POST", "/internal/v1/part", s.part},
	}
}

// Handler answers requests that the guard lets through.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.method+" "+r.path, r.handle)
	}
	return s.unbroken(func(w *begunWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("Cache-Control", "no-store")
		if p := s.guard.check(r); p != nil {
			s.log.Debug("request refused", "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr, "code", p.Code)
			fail(w, p)
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			s.unknown(w, r, mux)
			return
		}
		r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, maxBody)
		if r.ContentLength == 0 {
			requestRead(w)
		}
		// A client that does not take its answer must not keep it here for ever; streams take this off.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.opts.MaxTimeout + time.Minute))
		mux.ServeHTTP(w, r)
	})
}

// unbroken answers a request whose handler panics, which is a bug of ours and no reason to end
// what else the process does. An answer that has begun is cut off: the client must not take it for whole.
func (s *Server) unbroken(handle func(*begunWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &begunWriter{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p != http.ErrAbortHandler {
				s.log.Error("panic in a request", "method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			if begun.yes || p == http.ErrAbortHandler {
				panic(http.ErrAbortHandler) // net/http's way to cut the connection, without a word
			}
			fail(w, newProblem(http.StatusInternalServerError, codeInternal, "this is a bug of penstock: the request made it panic", "please report it with what the log of the process says"))
		}()
		handle(begun, r)
	})
}

// begunWriter knows whether an answer has begun.
type begunWriter struct {
	http.ResponseWriter
	yes bool
}

// Write notes the beginning.
func (w *begunWriter) Write(b []byte) (int, error) {
	w.yes = true
	return w.ResponseWriter.Write(b)
}

// WriteHeader notes the beginning.
func (w *begunWriter) WriteHeader(status int) {
	w.yes = true
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *begunWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requestRead takes the limit of time off the request once it was read. It would end the request's
// context while a long query runs: the server goes on reading, to notice that the client has gone.
func requestRead(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// unknown answers for a path or a method that there is not.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "" {
			w.Header().Set("Allow", method)
			fail(w, newProblem(http.StatusMethodNotAllowed, codeRequest, "this path takes "+method, ""))
			return
		}
	}
	fail(w, newProblem(http.StatusNotFound, codeNotFound, "there is no such path", "GET /openapi.json lists the paths"))
}

// slot waits for a query's turn.
func (s *Server) slot(ctx context.Context) (release func(), err error) {
	wait := time.NewTimer(queueWait)
	defer wait.Stop()
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, newProblem(http.StatusTooManyRequests, codeBusy, "too many queries run at the same time", "ask again in a moment")
	}
}
