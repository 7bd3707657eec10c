package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"penstock/engine"
)

// securityFlags say how connections to Kafka are encrypted, and as whom they are made. A password
// is never a flag: everybody on the machine can read those.
type securityFlags struct {
	flags   *pflag.FlagSet
	config  string
	options []string

	tls           bool
	ca, cert, key string
	mechanism     string
	user          string
	passwordFile  string

	resolved  bool
	result    *engine.Security
	brokers   []string
	brokersBy rank // who named them
}

// passwordVariable is where the password is found when no file is named.
const passwordVariable = "PENSTOCK_SASL_PASSWORD"

func (s *securityFlags) add(f *pflag.FlagSet) {
	s.flags = f
	f.StringVarP(&s.config, "kafka-config", "F", "", "file with options of Kafka's clients: bootstrap.servers, security.protocol, sasl.*, ssl.*")
	f.StringArrayVarP(&s.options, "kafka-option", "X", nil, "such an option as key=value (repeat for more; list shows them)")
	f.BoolVar(&s.tls, "tls", false, "encrypt connections to Kafka")
	f.StringVar(&s.ca, "tls-ca", "", "authorities (PEM) of the brokers' certificates, in place of the machine's")
	f.StringVar(&s.cert, "tls-cert", "", "certificate (PEM) to show to brokers that ask for one")
	f.StringVar(&s.key, "tls-key", "", "its key (PEM)")
	f.StringVar(&s.mechanism, "sasl-mechanism", "", "how to say who we are: "+strings.Join(engine.Mechanisms, ", "))
	f.StringVar(&s.user, "sasl-user", "", "as whom to connect")
	f.StringVar(&s.passwordFile, "sasl-password-file", "", "file with the password (default: the variable "+passwordVariable+")")
}

// resolve works out, once, what is asked for; nil when nothing is. It also returns the brokers that
// the file names.
func (s *securityFlags) resolve(a *app) (_ *engine.Security, brokers []string, err error) {
	if s.flags == nil || s.resolved {
		return s.result, s.brokers, nil
	}
	s.result, s.brokers, err = s.read(a)
	s.resolved = err == nil
	return s.result, s.brokers, err
}

// read puts everything together, what is nearest last: the file of options, the environment, and
// within each of the settings' file, variables and flags first -X and then the flag of that name.
func (s *securityFlags) read(a *app) (_ *engine.Security, brokers []string, err error) {
	var c clientConfig
	if s.config != "" {
		if err := c.readFile(a, s.config); err != nil {
			return nil, nil, err
		}
	}
	for _, rank := range []rank{byFile, byVariable, byFlag} {
		before := c.brokers
		if rank == byVariable {
			if err := c.environment(os.LookupEnv); err != nil {
				return nil, nil, err
			}
		}
		if err := s.over(a, &c, rank); err != nil {
			return nil, nil, err
		}
		if !slices.Equal(before, c.brokers) {
			s.brokersBy = rank
		}
	}
	if err := s.password(a, &c); err != nil {
		return nil, nil, err
	}
	security, err := c.finish()
	if err != nil || security == nil {
		return nil, c.brokers, err
	}
	if err := security.Load(); err != nil {
		f := usage("the connection to Kafka: %v", strings.ReplaceAll(err.Error(), "\n", "; "))
		f.err = err
		return nil, nil, f
	}
	if security.Mechanism == "PLAIN" && !security.TLS {
		a.log.Warn("the password goes to Kafka in the clear: SASL PLAIN without TLS")
	}
	return security, c.brokers, nil
}

// over puts what flags of a rank say over what there is.
func (s *securityFlags) over(a *app, c *clientConfig, rank rank) error {
	set := func(flag string) bool {
		o, known := a.origins[flag]
		return o.rank == rank || !known && rank == byFlag && s.flags.Changed(flag)
	}
	if set("kafka-option") {
		for _, option := range s.options {
			key, value, ok := strings.Cut(option, "=")
			if !ok {
				return usage("-X takes key=value, and this has no value").hint("-X list shows the options")
			}
			if err := c.option(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	x := &c.security
	for _, o := range []struct {
		flag, from string
		to         *string
	}{{"tls-ca", s.ca, &x.CAFile}, {"tls-cert", s.cert, &x.CertFile}, {"tls-key", s.key, &x.KeyFile},
		{"sasl-mechanism", s.mechanism, &x.Mechanism}, {"sasl-user", s.user, &x.User}} {
		if set(o.flag) && o.from != "" {
			*o.to = o.from
		}
	}
	if set("tls") {
		c.tls = &s.tls
	}
	return nil
}

// password finds the password: in the file that a flag names, in the environment, or where the
// file of options had it.
func (s *securityFlags) password(a *app, c *clientConfig) error {
	if s.passwordFile != "" {
		text, err := a.readFile(s.passwordFile)
		if err != nil {
			return &failure{code: exitUsage, text: "--sasl-password-file: " + err.Error(), err: err}
		}
		if c.security.Password = engine.Secret(strings.TrimRight(text, "\r\n")); c.security.Password == "" {
			return usage("--sasl-password-file %s is empty", s.passwordFile)
		}
		a.warnOpen(s.passwordFile)
	} else if text := os.Getenv(passwordVariable); text != "" {
		// Alone it is no wish to say who we are: it may be there for other commands.
		if c.security.User != "" || c.security.Mechanism != "" {
			c.security.Password = engine.Secret(text)
		}
	}
	if c.security.Mechanism != "" && c.security.Password == "" {
		return usage("SASL mechanism %s needs a password", c.security.Mechanism).
			hint("put it into the variable %s, or into a file that --sasl-password-file names", passwordVariable)
	}
	return nil
}

// warnOpen says when a file with a secret can be read by everybody.
func (a *app) warnOpen(name string) {
	if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o004 != 0 {
		a.log.Warn("everybody on this machine can read a file with a password", "file", name)
	}
}

// refused is the failure for a Kafka that is there and does not let us in, nil for anything else.
func refused(err error) *failure {
	var r *engine.RefusedError
	if !errors.As(err, &r) {
		return nil
	}
	f := &failure{code: exitUnreachable, id: "P4002", text: r.Error(), err: r}
	return f.hint("%s", r.Hint)
}
