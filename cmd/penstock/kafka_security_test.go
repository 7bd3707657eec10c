package main

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kfake"

	"penstock/engine/broker/kafkatest"
)

const canary = "canary-5tGb-8uJm"

// secureBroker listens with SASL, and with TLS where a config is given.
func secureBroker(t *testing.T, config *tls.Config) string {
	t.Helper()
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "alice", canary), kfake.Superuser("PLAIN", "alice", canary)}
	if config != nil {
		opts = append(opts, kfake.TLS(config))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// command runs the binary to its end and returns its exit code and all it said.
func command(t *testing.T, env []string, args ...string) (code int, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "penstock"
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestSecureRun: a query runs through SASL_SSL with what flags, environment or a file say, and is
// refused with exit code 4 and words; the password is shown nowhere, not at the level of debug.
func TestSecureRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := write("clicks.sql", clicksSQL)
	authority, config, err := kafkatest.TLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr, plain := secureBroker(t, config), secureBroker(t, nil)
	java := write("java.properties", `# as Java's clients have it
bootstrap.servers=`+addr+`
security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
  username="alice" \
  password="`+canary+`";
ssl.truststore.type=PEM
ssl.truststore.location=`+authority+`
acks=all
`)
	librdkafka := write("librdkafka.properties", "security.protocol=sasl_ssl\nsasl.mechanisms=PLAIN\nsasl.username=alice\nsasl.password=${CANARY}\nssl.ca.location="+authority+"\n")
	secret, wrong := write("password", canary+"\n"), write("wrong", canary+"x")
	flags := []string{"--tls-ca", authority, "--sasl-mechanism", "SCRAM-SHA-512", "--sasl-user", "alice"}
	for i, c := range []struct {
		what string
		env  []string
		args []string
		code int
		say  string
	}{
		{"flags, password in a file", nil, append(flags, "-b", addr, "--tls", "--sasl-password-file", secret), exitDone, "done; up"},
		{"flags, password in the environment", []string{"PENSTOCK_SASL_PASSWORD=" + canary}, append(flags, "-b", addr), exitDone, "done; up"},
		{"all in the environment", []string{"PENSTOCK_SASL_PASSWORD=" + canary, "PENSTOCK_TLS_CA=" + authority, "PENSTOCK_SASL_MECHANISM=PLAIN",
			"PENSTOCK_SASL_USER=alice", "PENSTOCK_BROKERS=" + addr}, nil, exitDone, "done; up"},
		{"a file of Java's", nil, []string{"-F", java}, exitDone, "done; up"},
		{"a file of librdkafka's", []string{"CANARY=" + canary}, []string{"-F", librdkafka, "-b", addr}, exitDone, "done; up"},
		{"a file, and options over it", nil, []string{"-F", java, "-X", "sasl.mechanism=PLAIN"}, exitDone, "done; up"},
		{"wrong password", nil, append(flags, "-b", addr, "--sasl-password-file", wrong), exitUnreachable,
			"error[P4002]: Kafka at " + addr + ": it closes the connection when user alice says who it is by SCRAM-SHA-512"},
		{"another mechanism", []string{"PENSTOCK_SASL_PASSWORD=" + canary}, append(flags, "-b", addr, "--sasl-mechanism", "SCRAM-SHA-256"), exitUnreachable, "error[P4002]"},
		{"unknown authority", []string{"PENSTOCK_SASL_PASSWORD=" + canary}, []string{"-b", addr, "--tls", "--sasl-mechanism", "PLAIN", "--sasl-user", "alice"},
			exitUnreachable, "of an authority that is not trusted here"},
		{"TLS on a plaintext port", []string{"PENSTOCK_SASL_PASSWORD=" + canary}, append(flags, "-b", plain), exitUnreachable, "does the port speak TLS"},
		{"plaintext on a TLS port", []string{"PENSTOCK_SASL_PASSWORD=" + canary}, append(flags[2:], "-b", addr), exitUnreachable, "error[P4002]"},
		{"no password", nil, append(flags, "-b", addr), exitUsage, "SASL mechanism SCRAM-SHA-512 needs a password"},
		{"password on the command line", nil, append(flags, "-b", addr, "-X", "sasl.password="+canary), exitUsage, "can be read by everybody"},
		{"unknown option", nil, []string{"-b", addr, "-X", "sasl.mechanisn=PLAIN"}, exitUsage, "did you mean"},
		{"no brokers", nil, []string{"--tls"}, exitUsage, "but no --brokers"},
	} {
		t.Run(c.what, func(t *testing.T) {
			app := "a" + string(rune('a'+i))
			args := append([]string{"run", file, "--app", app, "--state-dir", filepath.Join(dir, app), "--exit-when-caught-up", "--create-topics",
				"--log-level", "debug", "--http", "off", "--kafka-timeout", "3s"}, c.args...)
			code, said := command(t, c.env, args...)
			if code != c.code || !strings.Contains(said, c.say) {
				t.Errorf("exit code %d, expected %d with %q:\n%s", code, c.code, c.say, lastOf(said))
			}
			if strings.Contains(said, canary) {
				t.Error("the password is in the output")
			}
		})
	}
	// The other commands that talk to Kafka take the same.
	for _, args := range [][]string{{"tail", "metrics", "-e"}, {"rejects", file, "--app", "aa"}, {"audit", file, "--app", "aa"}, {"produce", "clicks", file}} {
		if code, said := command(t, nil, append(args, "-F", java)...); code != exitDone {
			t.Errorf("%s: exit code %d\n%s", args[0], code, lastOf(said))
		}
		if code, said := command(t, nil, append(args, append(flags, "-b", addr, "--sasl-password-file", wrong)...)...); code != exitUnreachable || !strings.Contains(said, "P4002") {
			t.Errorf("%s with a wrong password: exit code %d\n%s", args[0], code, lastOf(said))
		}
	}
}

func lastOf(text string) string { return text[max(0, len(text)-2000):] }

// TestClientConfig: what is wrong in a file of options is said with its place, and never what
// could be a secret.
func TestClientConfig(t *testing.T) {
	for _, c := range []struct{ text, say string }{
		{"security.protocol=SSH", `:1: security.protocol: "SSH", expected PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL`},
		{"\n# x\nnonsense", ":3: expected key=value"},
		{"a=1\\\n  2\nsasl.kerberos.service.name=x", ":3: sasl.kerberos.service.name: this option is not known here"},
		{"sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required x=" + canary, `:1: sasl.jaas.config: no username="..." and password="..." in it`},
		{"ssl.endpoint.identification.algorithm=", "cannot be switched off"},
		{"enable.ssl.certificate.verification=false", "cannot be switched off"},
		{"ssl.truststore.location=/x.jks", "Java key store"},
		{"sasl.password=${NOTHING_OF_THIS_NAME}", "no variable NOTHING_OF_THIS_NAME"},
		{"security.protocol=SASL_SSL", "no sasl.mechanism is given"},
		{"sasl.password=" + canary, "no SASL mechanism"},
		{"ssl.ca.location=/nothing/there.pem", "no such file"},
	} {
		name := filepath.Join(t.TempDir(), "client.properties")
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var s securityFlags
		f := pflag.NewFlagSet("test", pflag.ContinueOnError)
		s.add(f)
		if err := f.Parse([]string{"-F", name}); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.resolve(newApp())
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: got %v, expected %q", c.text, err, c.say)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}
