package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"penstock/engine"
)

// part answers another process of the application.
func (s *Server) part(w http.ResponseWriter, r *http.Request) {
	var q engine.PartRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		fail(w, newProblem(http.StatusBadRequest, codeRequest, "not the request of another process: "+err.Error(), ""))
		return
	}
	requestRead(w)
	release, err := s.slot(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	defer release()
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.MaxTimeout)
	defer cancel()
	began := time.Now()
	b, err := s.engine.AnswerPart(ctx, q)
	s.metrics.query("peer", time.Since(began))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(b) // the other may be gone
}

// maxPart is the most that another process may answer.
const maxPart = 1 << 30

// openPeers makes the client for the other processes. One that is gone has to be noticed at once.
func (s *Server) openPeers() error {
	conf, err := s.opts.peerTLS()
	if err != nil {
		return fmt.Errorf("certificates of the other processes: %w", err)
	}
	s.peers.Store(&http.Client{Transport: &http.Transport{
		DialContext:     (&net.Dialer{Timeout: time.Second}).DialContext,
		TLSClientConfig: conf, MaxIdleConnsPerHost: s.opts.Queries, IdleConnTimeout: 30 * time.Second,
	}})
	return nil
}

// ask is the engine's AskFunc. Another process that does not answer must not take all the time there
// is: what is left then is for an answer without it.
func (s *Server) ask(ctx context.Context, address string, q engine.PartRequest) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*4/5)
		defer cancel()
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"/internal/v1/part", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", asJSON)
	if token := *s.guard.token.Load(); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.peers.Load().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, readProblem(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxPart))
}
