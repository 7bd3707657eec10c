package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"penstock/engine"
)

// clientConfig is what a file of options for Kafka's clients says about connections. People own
// such files already, for Java's clients or for librdkafka, so both spellings are known. What is
// not about connections is not ours.
type clientConfig struct {
	brokers  []string
	security engine.Security
	protocol string // security.protocol
	tls      *bool  // --tls
	pem      map[string]string
}

// secretOptions may stand in a file, and not on the command line.
var secretOptions = []string{"sasl.password", "pass", "sasl.jaas.config"}

// clientOption is an option of Kafka's clients.
type clientOption struct {
	what string // for -X list
	set  func(*clientConfig, string) error
}

// clientOptions are the options by their names.
var clientOptions = map[string]clientOption{
	"bootstrap.servers":        {"host:port of brokers, with commas between", (*clientConfig).setBrokers},
	"metadata.broker.list":     {"the same", (*clientConfig).setBrokers},
	"security.protocol":        {strings.Join(protocols, ", "), (*clientConfig).setProtocol},
	"sasl.mechanism":           {strings.Join(engine.Mechanisms, ", "), text(func(c *clientConfig) *string { return &c.security.Mechanism })},
	"sasl.mechanisms":          {"the same", text(func(c *clientConfig) *string { return &c.security.Mechanism })},
	"sasl.username":            {"as whom to connect", text(func(c *clientConfig) *string { return &c.security.User })},
	"user":                     {"the same", text(func(c *clientConfig) *string { return &c.security.User })},
	"sasl.password":            {"in a file only; or the variable " + passwordVariable, (*clientConfig).setPassword},
	"pass":                     {"the same", (*clientConfig).setPassword},
	"sasl.jaas.config":         {"in a file only: username and password of Java's login modules", (*clientConfig).setJaas},
	"ssl.ca.location":          {"authorities (PEM) of the brokers' certificates", text(func(c *clientConfig) *string { return &c.security.CAFile })},
	"tls.ca":                   {"the same", text(func(c *clientConfig) *string { return &c.security.CAFile })},
	"ssl.certificate.location": {"certificate (PEM) to show to brokers", text(func(c *clientConfig) *string { return &c.security.CertFile })},
	"tls.cert":                 {"the same", text(func(c *clientConfig) *string { return &c.security.CertFile })},
	"ssl.key.location":         {"its key (PEM)", text(func(c *clientConfig) *string { return &c.security.KeyFile })},
	"tls.key":                  {"the same", text(func(c *clientConfig) *string { return &c.security.KeyFile })},
	"ssl.truststore.location":  {"authorities, as Java's clients name them", store("truststore", "location")},
	"ssl.truststore.type":      {"PEM", store("truststore", "type")},
	"ssl.keystore.location":    {"certificate and key, as Java's clients name them", store("keystore", "location")},
	"ssl.keystore.type":        {"PEM", store("keystore", "type")},

	"ssl.endpoint.identification.algorithm": {"https: the check of names cannot be switched off", (*clientConfig).setHostCheck},
	"enable.ssl.certificate.verification":   {"true: the check of certificates cannot be switched off", (*clientConfig).setVerification},
}

var protocols = []string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

func text(field func(*clientConfig) *string) func(*clientConfig, string) error {
	return func(c *clientConfig, v string) error {
		*field(c) = v
		return nil
	}
}

func store(which, what string) func(*clientConfig, string) error {
	return func(c *clientConfig, v string) error {
		if c.pem == nil {
			c.pem = map[string]string{}
		}
		c.pem[which+"."+what] = v
		return nil
	}
}

func (c *clientConfig) setBrokers(v string) error {
	c.brokers = nil
	for _, b := range strings.Split(v, ",") {
		if b = strings.TrimSpace(b); b != "" {
			c.brokers = append(c.brokers, b)
		}
	}
	return nil
}

func (c *clientConfig) setProtocol(v string) error {
	if c.protocol = strings.ToUpper(v); !slices.Contains(protocols, c.protocol) {
		return fmt.Errorf("%q, expected %s", v, strings.Join(protocols, ", "))
	}
	return nil
}

func (c *clientConfig) setPassword(v string) error {
	c.security.Password = engine.Secret(v)
	return nil
}

var jaasField = regexp.MustCompile(`\b(username|password)\s*=\s*("((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')`)

// setJaas takes user and password from the form of Java's clients:
// ...ScramLoginModule required username="alice" password="...";
func (c *clientConfig) setJaas(v string) error {
	unescape := regexp.MustCompile(`\\(.)`)
	for _, m := range jaasField.FindAllStringSubmatch(v, -1) {
		value := unescape.ReplaceAllString(m[3]+m[4], "$1")
		if m[1] == "username" {
			c.security.User = value
		} else {
			c.security.Password = engine.Secret(value)
		}
	}
	if c.security.User == "" || c.security.Password == "" {
		return fmt.Errorf(`no username="..." and password="..." in it; other login modules are not known`)
	}
	return nil
}

func (*clientConfig) setHostCheck(v string) error {
	if !strings.EqualFold(v, "https") {
		return fmt.Errorf("the check of the brokers' names cannot be switched off")
	}
	return nil
}

func (*clientConfig) setVerification(v string) error {
	if !strings.EqualFold(v, "true") {
		return fmt.Errorf("the check of the brokers' certificates cannot be switched off")
	}
	return nil
}

// option sets one from the command line.
func (c *clientConfig) option(key, value string) error {
	option, known := clientOptions[key]
	switch {
	case slices.Contains(secretOptions, key):
		return usage("-X %s: a password on the command line can be read by everybody on this machine", key).
			hint("put it into the variable %s, or into a file that --sasl-password-file names", passwordVariable)
	case !known:
		return usage("-X: no option %q", key).near(key, sortedKeys(clientOptions)).hint("-X list shows the options")
	}
	if err := option.set(c, value); err != nil {
		return usage("-X %s: %v", key, err)
	}
	return nil
}

func knownOptions() string {
	return "options: " + strings.Join(sortedKeys(clientOptions), ", ")
}

// environment takes options from variables: PENSTOCK_SECURITY_PROTOCOL is security.protocol. Names
// without a dot are too short for that, and the password has a place of its own.
func (c *clientConfig) environment(env func(string) (string, bool)) error {
	for _, key := range sortedKeys(clientOptions) {
		if !strings.Contains(key, ".") || key == "sasl.password" {
			continue
		}
		name := "PENSTOCK_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		if value, ok := env(name); ok && value != "" {
			if err := clientOptions[key].set(c, value); err != nil {
				return usage("%s: %v", name, err)
			}
		}
	}
	return nil
}

// listed tells whether -X list asks for the options.
func listed(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("kafka-option")
	if f == nil {
		return false
	}
	list, ok := f.Value.(pflag.SliceValue)
	return ok && slices.Contains(list.GetSlice(), "list")
}

// listClientOptions prints the options, in place of what the command does.
func (a *app) listClientOptions() error {
	for _, key := range sortedKeys(clientOptions) {
		fmt.Fprintf(a.stdout, "%-38s %s\n", key, clientOptions[key].what)
	}
	return errSilent(exitDone)
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// readFile reads a file of options: key=value lines, # and ! before comments, a backslash at the
// end of a line that goes on, ${NAME} for a variable of the environment.
func (c *clientConfig) readFile(a *app, name string) error {
	content, err := a.readFile(name)
	if err != nil {
		return &failure{code: exitUsage, text: "--kafka-config: " + err.Error(), err: err}
	}
	secret := false
	joined := regexp.MustCompile(`\\\r?\n[ \t]*`).ReplaceAllStringFunc(content, func(string) string { return "\x00" })
	number := 0
	for _, line := range strings.Split(joined, "\n") {
		number++
		at := number
		number += strings.Count(line, "\x00")
		line = strings.TrimSpace(strings.ReplaceAll(line, "\x00", ""))
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return usage("%s:%d: expected key=value", name, at)
		}
		key = strings.TrimSpace(key)
		value, err := expand(strings.TrimSpace(value))
		if err == nil {
			secret = secret || slices.Contains(secretOptions, key) && !strings.Contains(line, "${")
			err = c.fileOption(key, value)
		}
		if err != nil {
			return usage("%s:%d: %s: %v", name, at, key, err)
		}
	}
	if secret {
		a.warnOpen(name)
	}
	return nil
}

func expand(value string) (string, error) {
	var missing error
	value = variable.ReplaceAllStringFunc(value, func(m string) string {
		v, ok := os.LookupEnv(m[2 : len(m)-1])
		if !ok {
			missing = fmt.Errorf("no variable %s in the environment", m[2:len(m)-1])
		}
		return v
	})
	return value, missing
}

// fileOption sets one from a file. Options that secure a connection in a way we do not know must
// not be passed over.
func (c *clientConfig) fileOption(key, value string) error {
	if option, known := clientOptions[key]; known {
		return option.set(c, value)
	}
	for _, prefix := range []string{"security.", "sasl.", "ssl."} {
		if strings.HasPrefix(key, prefix) {
			return fmt.Errorf("this option is not known here; %s", knownOptions())
		}
	}
	return nil
}

// finish works out what the options come to; nil when they ask for nothing.
func (c *clientConfig) finish() (*engine.Security, error) {
	s := &c.security
	for which, to := range map[string][]*string{"truststore": {&s.CAFile}, "keystore": {&s.CertFile, &s.KeyFile}} {
		file := c.pem[which+".location"]
		if file == "" {
			continue
		}
		if kind := cmp.Or(c.pem[which+".type"], "JKS"); !strings.EqualFold(kind, "PEM") {
			return nil, usage("ssl.%s.location is a Java key store (%s), which is not read here", which, kind).
				hint("write it as PEM (keytool -exportcert -rfc, openssl pkcs12 -nodes) and say ssl.%s.type=PEM", which)
		}
		for _, field := range to {
			if *field == "" {
				*field = file
			}
		}
	}
	switch {
	case c.tls != nil:
		s.TLS = *c.tls
	case c.protocol != "":
		s.TLS = strings.HasSuffix(c.protocol, "SSL")
	default:
		s.TLS = s.CAFile != "" || s.CertFile != ""
	}
	if strings.HasPrefix(c.protocol, "SASL") && s.Mechanism == "" {
		return nil, usage("security.protocol is %s, and no sasl.mechanism is given: %s", c.protocol, strings.Join(engine.Mechanisms, ", "))
	}
	if *s == (engine.Security{}) {
		return nil, nil
	}
	return s, nil
}
