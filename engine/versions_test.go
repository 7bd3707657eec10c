package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestOldKafka: a broker without what exactly-once needs is refused at once, and the first one that has it is enough.
func TestOldKafka(t *testing.T) {
	for _, c := range []struct {
		name     string
		versions *kversion.Versions
		refused  bool
	}{
		{"1.1", kversion.V1_1_0(), true},
		{"2.4", kversion.V2_4_0(), true},
		{"2.5", kversion.V2_5_0(), false},
		{"2.8", kversion.V2_8_0(), false},
		{"3.9", kversion.V3_9_0(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(c.versions), kfake.GroupMinSessionTimeout(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(kafka.Close)
			k := newCircumstances(t, kafka.ListenAddrs(), "old", 2000)
			began := time.Now()
			err = testEngine(t, k.options(filepath.Join(t.TempDir(), "state"), true)).Run(k.ctx)
			if !c.refused {
				if err != nil {
					t.Fatal(err)
				}
				k.check()
				return
			}
			var no *RefusedError
			if !errors.As(err, &no) || !strings.Contains(err.Error(), "broker 0 is too old: it has the request TxnOffsetCommit up to version ") || !strings.Contains(err.Error(), "Kafka 2.5 and later") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
