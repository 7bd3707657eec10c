package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// RefusedError is returned when Kafka is there but does not let us in, or do what we have to, or
// when we do not trust it. Trying again does not mend that.
type RefusedError struct {
	Brokers []string
	// What was found, and Hint: what to do.
	What, Hint string
	// Guess: all that is known is that the connection was closed, which a broker that is going down
	// does too.
	Guess bool
	Err   error
}

// Error says what was found.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("Kafka at %s: %s", strings.Join(e.Brokers, ","), e.What)
}

// Unwrap returns the client's error.
func (e *RefusedError) Unwrap() error { return e.Err }

// Refused tells whether an error of a Kafka client means that; nil when it does not. s is what the
// connection was made with.
func Refused(err error, brokers []string, s *Security) *RefusedError {
	if err == nil {
		return nil
	}
	var known *RefusedError
	if errors.As(err, &known) {
		return known
	}
	if s == nil {
		s = &Security{}
	}
	e := &RefusedError{Brokers: brokers, Err: err}
	if e.certificate(err) || e.sasl(err, s) || e.rights(err, s) || e.closed(err, s) {
		return e
	}
	return nil
}

func (e *RefusedError) say(what, hint string) bool {
	e.What, e.Hint = what, hint
	return true
}

// tlsAlert is what a plain request is answered with on a port that speaks TLS.
const tlsAlert = "appear to be a tls alert record"

// certificate: TLS does not come about.
func (e *RefusedError) certificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case strings.Contains(err.Error(), tlsAlert): // franz-go's words are all there is
		return e.say("the port speaks TLS", "--tls encrypts the connection")
	case errors.As(err, &unknown):
		return e.say("its certificate is of an authority that is not trusted here", "--tls-ca names the file with the authority's certificate")
	case errors.As(err, &host):
		return e.say("its certificate is for another host: "+host.Error(), "name the brokers as their certificates do")
	case errors.As(err, &invalid):
		return e.say("its certificate is not valid: "+invalid.Error(), "the broker needs another; if it has expired, is this machine's clock right?")
	case errors.As(err, &verify):
		return e.say("its certificate is not valid: "+verify.Err.Error(), "--tls-ca names the file with the authority's certificate")
	case errors.As(err, &header):
		return e.say("the port does not speak TLS", "leave TLS out, or name the port of the listener with TLS")
	case errors.As(err, &alert):
		return e.say("it refuses our side of TLS: "+alert.Error(), "--tls-cert and --tls-key name a certificate that it trusts")
	}
	return false
}

// sasl: who we say we are is not believed.
func (e *RefusedError) sasl(err error, s *Security) bool {
	switch code := kafkaError(err); {
	case errors.Is(code, kerr.SaslAuthenticationFailed):
		return e.say(fmt.Sprintf("it refuses user %s by %s: wrong user or password", s.User, s.Mechanism),
			"the password comes from PENSTOCK_SASL_PASSWORD or --sasl-password-file; is the mechanism the one that the user was made for?")
	case errors.Is(code, kerr.UnsupportedSaslMechanism):
		return e.say(fmt.Sprintf("the listener does not take SASL mechanism %s", s.Mechanism), "--sasl-mechanism names another: "+strings.Join(Mechanisms, ", "))
	case errors.Is(code, kerr.IllegalSaslState):
		return e.say("the port does not ask who we are, but SASL is set", "leave SASL out, or name the port of the listener with SASL")
	}
	// The steps of SCRAM fail on our side when the broker cannot prove that it knows the password.
	if text := err.Error(); s.Mechanism != "" && strings.Contains(text, "mismatched server signature") {
		return e.say(fmt.Sprintf("it could not prove that it knows the password of user %s", s.User), "is this the right cluster?")
	}
	return false
}

// rights: we are known, and may not.
func (e *RefusedError) rights(err error, s *Security) bool {
	code := kafkaError(err)
	for _, right := range []struct {
		err  error
		what string
	}{
		{kerr.TopicAuthorizationFailed, "a topic"}, {kerr.GroupAuthorizationFailed, "a consumer group"},
		{kerr.TransactionalIDAuthorizationFailed, "a transactional id"}, {kerr.ClusterAuthorizationFailed, "the cluster"},
	} {
		if errors.Is(code, right.err) {
			who := "this user"
			if s.User != "" {
				who = "user " + s.User
			}
			return e.say(fmt.Sprintf("%s may not use %s as it has to: %s", who, right.what, oneLine(err)),
				"engine/README.md lists which topics, groups and transactional ids an application uses, and how")
		}
	}
	return false
}

// closed: the connection was closed at the first request, which is how brokers answer what they
// do not understand.
func (e *RefusedError) closed(err error, s *Security) bool {
	var eof *kgo.ErrFirstReadEOF
	switch e.Guess = true; {
	case errors.As(err, &eof):
	case s.Mechanism != "" && errors.Is(err, io.EOF):
		return e.say(fmt.Sprintf("it closes the connection when user %s says who it is by %s", s.User, s.Mechanism), "are user and password right, and is the mechanism one that the listener takes?")
	default:
		return false
	}
	if s.TLS {
		return e.say("it closes the connection at once", "does the port speak TLS?  and does it ask for SASL, or for a certificate (--tls-cert)?")
	}
	if s.Mechanism != "" {
		return e.say("it closes the connection at once", "does the port speak TLS (--tls)?")
	}
	return e.say("it closes the connection at once", "does the port ask for TLS (--tls) or SASL (--sasl-mechanism)?")
}

// kafkaError is the error of Kafka's in an error of either client, nil when there is none.
func kafkaError(err error) error {
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke
	}
	var se sarama.KError
	if errors.As(err, &se) {
		return kerr.ErrorForCode(int16(se))
	}
	return nil
}

// oneLine is the text of an error without the line breaks that Goka puts there.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
