package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client asks a server. Goroutines may share it.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// NewClient returns a client for a server at host:port, or at a URL. It connects when it is first
// used. c is for https with certificates of one's own, or nil.
func NewClient(address, token string, c *http.Client) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the address of a server: expected host:port or a URL", address)
	}
	if c == nil {
		c = &http.Client{}
	}
	return &Client{base: u.Scheme + "://" + u.Host, token: token, http: c}, nil
}

// URL is the server's.
func (c *Client) URL() string { return c.base }

// Query runs a statement. The error is a *Problem when the server answered. Ending ctx cancels the
// query in the server too.
func (c *Client) Query(ctx context.Context, q QueryRequest) (*Answer, error) {
	resp, err := c.post(ctx, q, asJSON)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := &Answer{}
	if err := json.NewDecoder(resp.Body).Decode(a); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w", c.base, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // a body that was read to its end leaves its connection for the next
	return a, nil
}

// Subscribe runs a SELECT again and again in the server and calls each with every answer that
// differs from the last, until ctx ends or each returns an error.
func (c *Client) Subscribe(ctx context.Context, q QueryRequest, each func(*Answer) error) error {
	resp, err := c.post(ctx, q, eventStream)
	if err != nil {
		return err
	}
	return readEvents(resp.Body, func(e Event) error {
		switch e.Name {
		case "problem":
			p := &Problem{}
			if err := json.Unmarshal(e.Data, p); err != nil {
				return err
			}
			return p
		case "answer":
			a := &Answer{}
			if err := json.Unmarshal(e.Data, a); err != nil {
				return err
			}
			return each(a)
		}
		return nil
	})
}

// Event is a server-sent event.
type Event struct {
	ID, Name string
	Data     []byte
}

// Events follows what metrics publish: path is /v1/events with its parameters, lastID where an
// earlier call ended or empty.
func (c *Client) Events(ctx context.Context, path, lastID string, each func(Event) error) error {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", eventStream)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	return readEvents(resp.Body, each)
}

func readEvents(body io.ReadCloser, each func(Event) error) error {
	defer func() { _ = body.Close() }()
	lines := bufio.NewReaderSize(body, 64<<10)
	var e Event
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		field, value, _ := bytes.Cut(line, []byte(": "))
		switch string(field) {
		case "id":
			e.ID = string(value)
		case "event":
			e.Name = string(value)
		case "data":
			e.Data = append(e.Data, value...)
		case "":
			if e.Data == nil || len(line) > 0 {
				continue // a comment, or nothing yet
			}
			if err := each(e); err != nil {
				return err
			}
			e.Name, e.Data = "", nil
		}
	}
}

// Get reads one of the GET routes of /v1 into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the answer of %s%s: %w", c.base, path, err)
	}
	return nil
}

func (c *Client) post(ctx context.Context, q QueryRequest, accept string) (*http.Response, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := c.request(ctx, http.MethodPost, "/v1/query", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", asJSON)
	req.Header.Set("Accept", accept)
	return c.do(req)
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err == nil && c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, err
}

func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// readProblem reads the problem of an answer that is none.
func readProblem(resp *http.Response) error {
	p := &Problem{}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(b, p)
	}
	if err != nil || p.Status == 0 {
		return &Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode), Detail: "the server answered " + resp.Status}
	}
	return p
}
