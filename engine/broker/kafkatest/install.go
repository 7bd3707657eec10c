package kafkatest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"penstock/engine/broker/internal/filelock"
)

// Version is the Apache Kafka that tests run against.
const Version = "4.1.0"

// pom names the jars. kafka-tools has the StorageTool that formats a log
// directory; log4j-slf4j-impl belongs to the slf4j 1.7 that Kafka uses.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>penstock</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>` + Version + `</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.24.3</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`

// fetchTimeout bounds the one download of about 50 MB.
const fetchTimeout = 10 * time.Minute

// Unavailable is the error of Start on a machine where Apache Kafka cannot run.
// That is not a failure of what is tested.
type Unavailable struct{ Reason string }

// Error names the reason.
func (u *Unavailable) Error() string { return "no Apache Kafka: " + u.Reason }

// install returns the class path of Kafka's jars, after fetching them if this
// user never did. Processes wait for each other, so one fetches for all.
func install(ctx context.Context) (classPath string, err error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", &Unavailable{"java is not installed (17 or later is needed)"}
	}
	dir := cacheDir()
	lib := filepath.Join(dir, "lib")
	ready := filepath.Join(dir, "ready")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &Unavailable{fmt.Sprintf("the jars have no place: %v", err)}
	}
	unlock, err := filelock.Wait(filepath.Join(dir, "LOCK"))
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(ready); err == nil {
		return filepath.Join(lib, "*"), nil
	}
	if err := fetch(ctx, dir, lib); err != nil {
		return "", err
	}
	// Written last: a fetch that was cut short is done again.
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		return "", fmt.Errorf("mark the jars as complete: %w", err)
	}
	return filepath.Join(lib, "*"), nil
}

// cacheDir changes with the pom, so an old set of jars is never mixed with a new
// one.
func cacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir() // no home directory, as in some containers
	}
	sum := sha256.Sum256([]byte(pom))
	return filepath.Join(base, "penstock", fmt.Sprintf("kafka-%s-%x", Version, sum[:4]))
}

func fetch(ctx context.Context, dir, lib string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return &Unavailable{"mvn (Maven) is not installed, which fetches its jars"}
	}
	if err := os.RemoveAll(lib); err != nil {
		return fmt.Errorf("clear %s: %w", lib, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o644); err != nil {
		return fmt.Errorf("write pom.xml: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory="+lib)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return &Unavailable{fmt.Sprintf("mvn could not fetch its jars: %v\n%s", err, lastLines(string(out), 10))}
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
