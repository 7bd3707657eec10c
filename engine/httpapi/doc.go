// Package httpapi is a running engine over HTTP: for programs, for the prompt (which is a client of
// it like any other), and for the other processes of the application. Handler and client share
// the types of wire.go, so they cannot drift apart.
//
//	POST /v1/query                        a statement; JSON, NDJSON, CSV, or server-sent events
//	GET  /v1/tables, /v1/metrics, ...     what there is, by name (catalog.go)
//	GET  /v1/events                       every result as it is published (events.go)
//	GET  /v1/topics/{name}/records        a topic's last records, and those that come (topics.go)
//	GET  /metrics                         for Prometheus (prometheus.go)
//	GET  /livez, /readyz, /startupz       for whoever restarts processes (health.go)
//	POST /internal/v1/part                a process asks another for its part of an answer (peer.go)
//
// # Who may ask
//
// By default it listens on the loopback interface only, without a password: whoever has a shell on
// the machine may ask. An address beyond that is refused at the start unless there is both TLS
// and a token (options.go). Web pages in the operator's browser are not trusted: a request with a
// foreign Origin, or with a Host that is a name nobody gave us (DNS rebinding), is refused, and no
// CORS header is ever sent (guard.go). Nothing that comes in over HTTP changes anything.
//
// Sizes, times and the number of queries at once are bounded (options.go). What a client sends
// is never used as a path, and reaches a log only as a quoted value.
//
// # Errors
//
// Are problem+json (RFC 9457), with the same code, place and hint as on the command line.
package httpapi
