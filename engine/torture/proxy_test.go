package torture

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between clients and one broker, which tells them the proxy's address. It cuts
// connections, in the middle of what goes through them, makes it slow, and lets them fall silent.
type proxy struct {
	ln     net.Listener
	target string
	delay  atomic.Int64 // nanoseconds before each piece is passed on
	done   sync.WaitGroup

	mu    sync.Mutex
	links map[*link]bool
	deaf  bool // what connects falls silent at once
	over  bool
}

// link is one connection through the proxy.
type link struct {
	client, broker net.Conn
	// silent: the peer is gone without a word, as when a machine loses its power or a firewall forgets
	// the connection. What either side sends is lost, and neither hears of the other's end.
	silent atomic.Bool
}

func newProxy(target string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, target: target, links: map[*link]bool{}}
	p.done.Go(p.accept)
	return p, nil
}

// startProxy makes a proxy that ends with the test.
func startProxy(t *testing.T, target string) (*proxy, error) {
	p, err := newProxy(target)
	if err == nil {
		t.Cleanup(p.close)
	}
	return p, err
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(c) })
	}
}

// serve passes on what comes from both sides until one of them ends, or the connection is cut.
func (p *proxy) serve(client net.Conn) {
	broker, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client: client, broker: broker}
	if !p.keep(l) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(l, client, broker) })
	both.Go(func() { p.pass(l, broker, client) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *proxy) keep(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		l.client.Close()
		l.broker.Close()
		return false
	}
	l.silent.Store(p.deaf)
	p.links[l] = true
	return true
}

// pass passes on one direction of a link, until an end of it, which both sides are told.
func (p *proxy) pass(l *link, from, to net.Conn) {
	defer func() {
		from.Close()
		if !l.silent.Load() {
			to.Close()
		}
	}()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if d := p.delay.Load(); d > 0 {
			timer := time.NewTimer(time.Duration(d))
			<-timer.C
		}
		if n > 0 && !l.silent.Load() {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut closes all connections. What was on its way is lost, or was received and not answered.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		for _, c := range []net.Conn{l.client, l.broker} {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset, not an end
			}
			c.Close()
			n++
		}
	}
	return n
}

// silence leaves all connections half open: nothing comes through them any more, for ever, and nobody
// is told. With deaf the same happens to new ones, until hear.
func (p *proxy) silence(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
	for l := range p.links {
		l.silent.Store(true)
	}
}

// hear ends deaf; the connections that are silent stay so.
func (p *proxy) hear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = false
}

// slow delays every piece by d from now on; 0 ends that.
func (p *proxy) slow(d time.Duration) { p.delay.Store(int64(d)) }

func (p *proxy) close() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.ln.Close()
	p.cut()
	p.done.Wait()
}

// echo answers with what it gets. ended receives how each connection ended.
func echo(t *testing.T) (addr string, ended chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	ended = make(chan error, 8)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(c, c)
				c.Close()
				ended <- err
			}()
		}
	}()
	return ln.Addr().String(), ended
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hello is an error unless the echo comes back within a while.
func hello(c net.Conn, within time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 5))
	return err
}

// TestProxyCuts: the proxy passes on, and a cut is seen by both sides.
func TestProxyCuts(t *testing.T) {
	addr, ended := echo(t)
	p, err := startProxy(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.addr())
	if err := hello(c, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := p.cut(); n != 2 {
		t.Errorf("%d connections were cut, expected both sides", n)
	}
	if _, err := c.Read(make([]byte, 5)); err == nil {
		t.Error("the client's side is open")
	}
	<-ended
}

// TestProxyFallsSilent: a half-open connection is open to both sides, and neither hears of the other.
func TestProxyFallsSilent(t *testing.T) {
	addr, ended := echo(t)
	p, err := startProxy(t, addr)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p.addr())
	if err := hello(c, time.Minute); err != nil {
		t.Fatal(err)
	}
	p.silence(true)
	for _, c := range []net.Conn{c, dial(t, p.addr())} {
		if err := hello(c, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a silent connection says %v", err)
		}
		c.Close()
	}
	p.hear()
	if err := hello(dial(t, p.addr()), time.Minute); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		t.Errorf("the server heard of an end: %v", err)
	default:
	}
}
