package engine

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/rcrowley/go-metrics"
	"github.com/twmb/franz-go/pkg/kgo"
)

// lineLogger turns the printing loggers of Goka and sarama into slog lines. Both tell what they
// do, not what went wrong (errors come back as values and are reported by us), so all of it is
// at debug level.
type lineLogger struct {
	log *slog.Logger
}

// Print implements goka.Logger and sarama.StdLogger.
func (l lineLogger) Print(args ...any) { l.line(fmt.Sprint(args...)) }

// Println implements goka.Logger and sarama.StdLogger.
func (l lineLogger) Println(args ...any) { l.line(fmt.Sprintln(args...)) }

// Printf implements goka.Logger and sarama.StdLogger.
func (l lineLogger) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.line(fmt.Sprintf(format, args...))
	}
}

func (l lineLogger) line(text string) {
	l.log.Debug("library", "text", strings.TrimSpace(text))
}

// clientLogger is kgo's logger. Its warnings are about requests it then retries, so they are
// debug lines; an error it reports is one that it gave up on.
type clientLogger struct {
	log *slog.Logger
}

// Level implements kgo.Logger.
func (l clientLogger) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelError
}

// Log implements kgo.Logger.
func (l clientLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := slog.LevelDebug
	if level == kgo.LogLevelError {
		to = slog.LevelWarn
	}
	l.log.Log(context.Background(), to, msg, keyvals...)
}

var librariesOnce sync.Once

// setUpLibraries sets what Goka and sarama keep per process, once: the first engine's logger is
// the one that sarama's shared lines go to. It must run before any of their clients exists,
// because they read these variables without a lock.
func setUpLibraries(log *slog.Logger) {
	librariesOnce.Do(func() {
		// sarama updates a dozen meters for every request, and go-metrics keeps a goroutine for
		// them that never ends.
		metrics.UseNilMetrics = true
		sarama.Logger = lineLogger{log.With("lib", "sarama")}
		goka.ReplaceGlobalConfig(saramaConfig(clientSettings{}))
	})
}
