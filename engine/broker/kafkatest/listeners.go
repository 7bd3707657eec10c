package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var scramMechanisms = []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}

// listeners adds those that a test asks for to a node's settings.
func (n *node) listeners(set map[string]string, opts Options) error {
	add := func(name, protocol, addr, advertised string) {
		set["listeners"] += fmt.Sprintf(",%s://%s", name, addr)
		set["advertised.listeners"] += fmt.Sprintf(",%s://%s", name, advertised)
		set["listener.security.protocol.map"] += fmt.Sprintf(",%s:%s", name, protocol)
		set["inter.broker.listener.name"] = "PLAINTEXT"
	}
	if opts.Proxy != nil {
		to, err := opts.Proxy(local(n.proxied))
		if err != nil {
			return fmt.Errorf("proxy of kafka node %d: %w", n.id, err)
		}
		n.advertised = to
		add("PROXIED", "PLAINTEXT", local(n.proxied), to)
	}
	if len(opts.Users) == 0 {
		return nil
	}
	add("SECURE", "SASL_SSL", local(n.secure), local(n.secure))
	login := "org.apache.kafka.common.security."
	plain := login + "plain.PlainLoginModule required"
	for _, user := range sortedKeys(opts.Users) {
		plain += fmt.Sprintf(" user_%s=%q", user, opts.Users[user])
	}
	for k, v := range map[string]string{
		"ssl.keystore.type":              "PEM",
		"ssl.keystore.location":          filepath.Join(filepath.Dir(n.dir), brokerFile),
		"sasl.enabled.mechanisms":        "PLAIN," + strings.Join(scramMechanisms, ","),
		"plain.sasl.jaas.config":         plain + ";",
		"scram-sha-256.sasl.jaas.config": login + "scram.ScramLoginModule required;",
		"scram-sha-512.sasl.jaas.config": login + "scram.ScramLoginModule required;",
	} {
		set["listener.name.secure."+k] = v
	}
	return nil
}

const (
	authorityFile = "authority.pem"
	brokerFile    = "broker.pem"
)

// makeKeys writes an authority's certificate, and one for 127.0.0.1 with its key in the form in
// which Kafka reads it: both in one file.
func makeKeys(dir string) error {
	authority, authorityKey, err := certificate("authority", nil, nil)
	if err != nil {
		return fmt.Errorf("make an authority: %w", err)
	}
	broker, brokerKey, err := certificate("broker", authority, authorityKey)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(brokerKey)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	files := map[string]string{
		authorityFile: block("CERTIFICATE", authority.Raw),
		brokerFile:    block("PRIVATE KEY", key) + block("CERTIFICATE", broker.Raw),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write keys: %w", err)
		}
	}
	return nil
}

// certificate makes one that is signed by an authority, or an authority when there is none.
func certificate(name string, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if by == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		by, byKey = c, key
	} else {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}

// TLS makes keys in a directory, for a broker on 127.0.0.1: the file with the authority that clients
// have to trust, and what the broker listens with.
func TLS(dir string) (authority string, _ *tls.Config, err error) {
	if err := makeKeys(dir); err != nil {
		return "", nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, brokerFile), filepath.Join(dir, brokerFile))
	if err != nil {
		return "", nil, fmt.Errorf("read keys: %w", err)
	}
	return filepath.Join(dir, authorityFile), &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
