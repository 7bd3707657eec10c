package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"penstock/engine"
	"penstock/engine/read"
	"penstock/query/syntax"
)

// Codes of the errors that are not about a statement's text.
const (
	codeTimeout     = "P3001"
	codeLimit       = "P3002"
	codeBusy        = "P3003"
	codeNotRunning  = "P3004"
	codeRequest     = "P3005" // a request that cannot be understood
	codeNotFound    = "P3006"
	codeTooLarge    = "P3007"
	codeToken       = "P3101"
	codeHost        = "P3102"
	codeOrigin      = "P3103"
	codeOtherMember = "P3104"
	codeInternal    = "P3900"
)

func newProblem(status int, code, detail, hint string) *Problem {
	return &Problem{Status: status, Title: http.StatusText(status), Code: code, Detail: detail, Hint: hint}
}

// problemOf turns an error into what the client is told.
func problemOf(err error) *Problem {
	var p *Problem
	var bind *engine.BindError
	var limit *read.LimitError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &bind):
		return bindProblem(bind)
	case errors.As(err, &limit) && limit.What == "queries":
		return newProblem(http.StatusTooManyRequests, codeBusy, limit.Error(), "")
	case errors.As(err, &limit):
		return newProblem(http.StatusUnprocessableEntity, codeLimit, limit.Error(), "")
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, codeTooLarge, "the request is larger than 1 MiB", "send a shorter statement")
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusGatewayTimeout, codeTimeout, "the query took longer than it may",
			"ask for more with timeout_ms, or for less with WHERE and LIMIT")
	case errors.Is(err, context.Canceled):
		return newProblem(499, codeTimeout, "the query was cancelled", "")
	case errors.Is(err, engine.ErrNotRunning):
		return newProblem(http.StatusServiceUnavailable, codeNotRunning, err.Error(), "ask again when it has started")
	case errors.Is(err, engine.ErrWrongInstance), errors.Is(err, engine.ErrOtherPlan):
		return newProblem(http.StatusMisdirectedRequest, codeOtherMember, err.Error(), "")
	}
	return newProblem(http.StatusInternalServerError, codeInternal, err.Error(), "")
}

func bindProblem(err *engine.BindError) *Problem {
	p := newProblem(http.StatusBadRequest, "", err.Error(), "")
	p.Title = "the statement is not understood"
	p.Errors = syntax.Reports("", err.SQL, err.Diags)
	for i, d := range err.Diags {
		if d.Severity == syntax.Error {
			r := p.Errors[i]
			p.Code, p.Detail, p.Line, p.Column, p.Hint = r.Code, r.Message, r.Line, r.Column, r.Hint
			p.SQLState = sqlState(r.Code)
			break
		}
	}
	return p
}

// sqlState is PostgreSQL's code for one of ours.
func sqlState(code string) string {
	switch {
	case code == "P1202":
		return "42P01"
	case code == "P1203":
		return "42883"
	case code == "P1204":
		return "42703"
	case code == "P1301":
		return "22P02"
	case strings.HasPrefix(code, "P13"):
		return "42804"
	case code == "P1405":
		return "0A000"
	}
	return "42601"
}

// fail answers with a problem.
func fail(w http.ResponseWriter, err error) {
	p := problemOf(err)
	p.Type = "about:blank"
	if p.Code != "" {
		p.Type = "urn:penstock:" + p.Code
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}
