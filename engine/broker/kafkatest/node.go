package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// node is one java process that comes and goes, with a directory that stays.
type node struct {
	id               int
	dir              string
	port, controller int
	secure, proxied  int    // ports of listeners that some tests want
	advertised       string // of the proxied one
	classPath        string
	java             []string

	mu   sync.Mutex
	proc *process // nil: not started, or ended by us
}

// process is one life of a node.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it ended
	err  error         // how; read after done
}

func (n *node) addr() string { return local(n.port) }

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// configure writes server.properties and the logging configuration.
func (n *node) configure(voters string, opts Options) error {
	copies, minCopies := "1", "1"
	if opts.Nodes >= 3 {
		copies, minCopies = "3", "2"
	}
	listen := fmt.Sprintf("PLAINTEXT://%s", n.addr())
	set := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        fmt.Sprint(n.id),
		"controller.quorum.voters":       voters,
		"listeners":                      fmt.Sprintf("%s,CONTROLLER://127.0.0.1:%d", listen, n.controller),
		"advertised.listeners":           listen,
		"controller.listener.names":      "CONTROLLER",
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       filepath.Join(n.dir, "data"),
		"auto.create.topics.enable":      "false",

		"default.replication.factor":                       copies,
		"min.insync.replicas":                              minCopies,
		"offsets.topic.replication.factor":                 copies,
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         copies,
		"transaction.state.log.min.isr":                    minCopies,
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": copies,
		"share.coordinator.state.topic.min.isr":            minCopies,

		// What takes its time by default: waiting for more members, for a
		// session of a killed client, for the registration of a killed broker
		// (11.7 s to 3.0 s), for the next look at open transactions.
		"group.initial.rebalance.delay.ms":                            "0",
		"group.min.session.timeout.ms":                                "1000",
		"broker.session.timeout.ms":                                   "1500",
		"broker.heartbeat.interval.ms":                                "300",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
		"log.cleaner.backoff.ms":                                      "500",
	}
	if err := n.listeners(set, opts); err != nil {
		return err
	}
	for k, v := range opts.Config {
		set[k] = v
	}
	var text strings.Builder
	for _, k := range sortedKeys(set) {
		fmt.Fprintf(&text, "%s=%s\n", k, set[k])
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of kafka node %d: %w", n.id, err)
	}
	return errors.Join(
		os.WriteFile(n.file("server.properties"), []byte(text.String()), 0o644),
		os.WriteFile(n.file("log4j2.properties"), []byte(logging), 0o644))
}

const logging = `status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %m (%c{1})%n%throwable{5}
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
`

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (n *node) file(name string) string { return filepath.Join(n.dir, name) }

func (n *node) args(java []string, class string, rest ...string) []string {
	all := append([]string{}, java...)
	all = append(all, "-Dlog4j2.configurationFile="+n.file("log4j2.properties"), "-cp", n.classPath, class)
	return append(all, rest...)
}

func (n *node) format(ctx context.Context, cluster string, users map[string]string) error {
	quick := []string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	// With "=", because an id may begin with a minus.
	args := []string{"format", "--cluster-id=" + cluster, "-c", n.file("server.properties")}
	for _, user := range sortedKeys(users) {
		for _, mechanism := range scramMechanisms {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, users[user]))
		}
	}
	cmd := exec.CommandContext(ctx, "java", n.args(quick, "kafka.tools.StorageTool", args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format kafka node %d: %w\n%s", n.id, err, lastLines(string(out), 10))
	}
	return nil
}

// start starts the process and returns; see Cluster.WaitReady.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil {
		return fmt.Errorf("kafka node %d runs already", n.id)
	}
	out, err := os.OpenFile(n.file("kafka.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of kafka node %d: %w", n.id, err)
	}
	cmd := exec.Command("java", n.args(n.java, "kafka.Kafka", n.file("server.properties"))...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel kills the child when the thread that made it ends, not
		// the process: this one has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start kafka node %d: %w", n.id, err)
	}
	n.proc = p
	return nil
}

// signal sends to the running process; none is an error.
func (n *node) signal(sig os.Signal) (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return nil, fmt.Errorf("kafka node %d does not run", n.id)
	}
	if err := n.proc.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("signal kafka node %d: %w", n.id, err)
	}
	return n.proc, nil
}

func (n *node) forget() {
	n.mu.Lock()
	n.proc = nil
	n.mu.Unlock()
}

// kill is fine with a node that does not run.
func (n *node) kill() error {
	if !n.running() {
		return nil
	}
	p, err := n.signal(os.Kill)
	if err != nil {
		return err
	}
	<-p.done
	n.forget()
	return nil
}

func (n *node) shutdown(ctx context.Context) error {
	p, err := n.signal(terminate)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		n.forget()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafka node %d does not end: %w", n.id, ctx.Err())
	}
}

func (n *node) pause() error {
	_, err := n.signal(stop)
	return err
}

func (n *node) resume() error {
	_, err := n.signal(proceed)
	return err
}

func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc != nil
}

// ended is an error when the process ended without being told to.
func (n *node) ended() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc == nil {
		return nil
	}
	select {
	case <-n.proc.done:
		return fmt.Errorf("kafka node %d ended on its own: %w\n%s", n.id, n.proc.err, n.tail())
	default:
		return nil
	}
}

// brokers asks this node, and no other, which brokers there are. A request of our
// own, since the client's answers come from its cache.
func (n *node) brokers(ctx context.Context) ([]int32, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr()), kgo.DialTimeout(2*time.Second), kgo.RequestRetries(0))
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	defer cl.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none, where nil would be all
	resp, err := req.RequestWith(ctx, cl.SeedBrokers()[0])
	if err != nil {
		return nil, err
	}
	var ids []int32
	for _, b := range resp.Brokers {
		ids = append(ids, b.NodeID)
	}
	return ids, nil
}

// tail is the end of the node's log.
func (n *node) tail() string {
	data, err := os.ReadFile(n.file("kafka.log"))
	if err != nil {
		return ""
	}
	return lastLines(string(data), 20)
}

// freePorts finds ports that a node can keep over restarts: below the range from
// which the system takes the ports of outgoing connections, or one of those could
// sit on it just when the node comes back.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		if slices.Contains(ports, port) {
			continue
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = ln.Close()
		if ports = append(ports, port); len(ports) == count {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found %d free ports between 15000 and 30000, need %d", len(ports), count)
}
