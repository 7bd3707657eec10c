package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestOldKafka: a broker that is too old is refused with exit code 4, before anything is made there.
func TestOldKafka(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(kversion.V2_4_0()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	dir := t.TempDir()
	file := filepath.Join(dir, "clicks.sql")
	if err := os.WriteFile(file, []byte(clicksSQL), 0o600); err != nil {
		t.Fatal(err)
	}
	code, said := command(t, nil, "run", file, "--app", "old", "--state-dir", filepath.Join(dir, "old"), "--create-topics", "--http", "off",
		"-b", c.ListenAddrs()[0], "--kafka-timeout", "20s")
	if code != exitUnreachable || !strings.Contains(said, "error[P4002]: Kafka at "+c.ListenAddrs()[0]+": broker 0 is too old") || !strings.Contains(said, "update the brokers") {
		t.Errorf("exit code %d\n%s", code, lastOf(said))
	}
	if c.TopicInfo("old-frames") != nil {
		t.Error("topics were made")
	}
}
