package torture

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between clients and one broker, which tells them the proxy's address. It cuts
// connections, in the middle of what goes through them, and makes it slow.
type proxy struct {
	ln     net.Listener
	target string
	delay  atomic.Int64 // nanoseconds before each piece is passed on
	done   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	over  bool
}

func newProxy(target string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{ln: ln, target: target, conns: map[net.Conn]bool{}}
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
	if !p.keep(client, broker) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, broker}, {broker, client}} {
		both.Go(func() {
			p.pass(way[0], way[1])
			client.Close()
			broker.Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, client)
	delete(p.conns, broker)
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.over {
			c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.over
}

func (p *proxy) pass(from, to net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if d := p.delay.Load(); d > 0 {
			timer := time.NewTimer(time.Duration(d))
			<-timer.C
		}
		if n > 0 {
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
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an end
		}
		c.Close()
	}
	return len(p.conns)
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

// TestProxyCuts: the proxy passes on, and a cut is seen by both sides.
func TestProxyCuts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			_, err = io.Copy(c, c) // an echo, until the cut
			c.Close()
		}
		ended <- err
	}()
	p, err := startProxy(t, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 5)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Fatalf("%q, %v", b, err)
	}
	if n := p.cut(); n != 2 {
		t.Errorf("%d connections were cut, expected both sides", n)
	}
	if _, err := c.Read(b); err == nil {
		t.Error("the client's side is open")
	}
	<-ended
}
