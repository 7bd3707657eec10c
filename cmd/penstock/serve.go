package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"penstock/engine"
	"penstock/engine/httpapi"
)

// defaultHTTP is where an engine answers when nothing else is said.
const defaultHTTP = "127.0.0.1:8085"

// httpFlags are the flags of `run` about HTTP.
type httpFlags struct {
	options   httpapi.Options
	tokenFile string
	debug     string
	flags     *pflag.FlagSet
}

func (h *httpFlags) add(f *pflag.FlagSet) {
	h.flags = f
	f.StringVar(&h.options.Address, "http", defaultHTTP, "where queries are answered, host:port; off answers none. When the default is taken, a free port is used")
	f.StringVar(&h.options.Advertise, "http-advertise", "", "host:port under which the other processes of the application reach this one (default the --http address)")
	f.StringVar(&h.options.TLSCert, "http-tls-cert", "", "certificate (PEM) for https; needed, with a token, beyond the loopback interface. SIGHUP reads it again")
	f.StringVar(&h.options.TLSKey, "http-tls-key", "", "its key (PEM)")
	f.StringVar(&h.options.TLSCA, "http-tls-ca", "", "authorities (PEM) of the other processes' certificates, beside the machine's")
	f.StringVar(&h.tokenFile, "http-token-file", "", "file with the token that clients have to show. SIGHUP reads it again")
	f.StringSliceVar(&h.options.Hosts, "http-host", nil, "more names that requests may be for")
	f.DurationVar(&h.options.QueryTimeout, "query-timeout", 30*time.Second, "how long a query may take that asks for nothing else")
	f.BoolVar(&h.options.MetricValues, "http-metric-values", false, "export metrics of one number to Prometheus as penstock_metric_value")
	f.StringVar(&h.debug, "debug-http", "", "where Go's profiles are served, host:port on the loopback interface (default nowhere)")
}

// service is what answers over HTTP beside an engine. A nil one answers nothing.
type service struct {
	api   *httpapi.Server
	debug *http.Server
	hup   chan os.Signal // reads certificate and token again; nil without them
	note  string         // said at the start
}

// listen takes the addresses, before the engine joins its groups.
func (h *httpFlags) listen(a *app, e *engine.Engine) (*service, error) {
	s := &service{}
	if h.options.Address == "" {
		h.options.Address = defaultHTTP
	}
	if h.options.Address == "off" {
		e.Serve(engine.Service{})
	} else if err := s.listen(h, a, e); err != nil {
		return nil, err
	}
	if h.debug != "" {
		if err := s.listenDebug(h.debug); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *service) listen(h *httpFlags, a *app, e *engine.Engine) error {
	o := h.options
	o.Logger = a.log
	o.Version = version
	var err error
	if o.Token, err = h.token(); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return usage("%v", err)
	}
	api, err := httpapi.Listen(o, e)
	if chosen := h.flags != nil && h.flags.Changed("http"); err != nil && !chosen && errors.Is(err, httpapi.ErrTaken) {
		o.Address = "127.0.0.1:0"
		if api, err = httpapi.Listen(o, e); err == nil {
			s.note = " (" + defaultHTTP + " is taken)"
		}
	}
	if err != nil {
		return err
	}
	s.api = api
	if o.TLSCert != "" || o.Token != "" {
		s.hup = make(chan os.Signal, 1)
		signal.Notify(s.hup, syscall.SIGHUP)
		go s.reload(a, s.hup, h)
	}
	go func() {
		if err := api.Serve(); err != nil {
			a.log.Error("http ended", "err", err)
		}
	}()
	return nil
}

// token reads the file with the token; empty when there is none.
func (h *httpFlags) token() (string, error) {
	if h.tokenFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(h.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--http-token-file: %w", plainPathError(err))
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", usage("--http-token-file %s is empty", h.tokenFile)
	}
	return token, nil
}

// reload reads certificate and token again whenever SIGHUP asks for it, until close.
func (s *service) reload(a *app, asked <-chan os.Signal, h *httpFlags) {
	for range asked {
		if h.options.TLSCert != "" {
			if err := s.api.Reload(); err != nil {
				a.log.Error("certificate stays as it was", "err", err)
			} else {
				a.log.Info("certificate read again", "file", h.options.TLSCert)
			}
		}
		if h.tokenFile != "" {
			if token, err := h.token(); err != nil {
				a.log.Error("token stays as it was", "err", err)
			} else {
				s.api.SetToken(token)
				a.log.Info("token read again", "file", h.tokenFile)
			}
		}
	}
}

// listenDebug serves Go's profiles, which show whatever is in memory: only on this machine.
func (s *service) listenDebug(address string) error {
	ln, err := httpapi.ListenLoopback(address)
	if err != nil {
		return fmt.Errorf("--debug-http: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s.debug = &http.Server{Handler: httpapi.LocalOnly(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.debug.Serve(ln) }() // ends with close
	return nil
}

// where says where queries are answered, empty when they are not.
func (s *service) where() string {
	if s == nil || s.api == nil {
		return ""
	}
	return s.api.URL() + s.note
}

// close ends what is being answered, after a moment for what is nearly done. Safe for nil, and twice.
func (s *service) close() error {
	if s == nil {
		return nil
	}
	var errs []error
	if s.hup != nil {
		signal.Stop(s.hup)
		close(s.hup)
		s.hup = nil
	}
	if s.api != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		errs = append(errs, s.api.Close(ctx))
	}
	if s.debug != nil {
		errs = append(errs, s.debug.Close())
	}
	return errors.Join(errs...)
}
