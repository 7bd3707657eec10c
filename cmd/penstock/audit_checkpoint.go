package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"penstock/engine/audit"
)

// checkpointFile is the file that --checkpoint means: in a directory each application has its own.
func (o *auditOptions) checkpointFile() string {
	if st, err := os.Stat(o.checkpoint); err == nil && st.IsDir() {
		return filepath.Join(o.checkpoint, o.app+".checkpoint")
	}
	return o.checkpoint
}

// readCheckpoint returns where an earlier audit ended, nil when none did.
func (o *auditOptions) readCheckpoint() (*audit.Checkpoint, error) {
	if o.checkpoint == "" {
		return nil, nil
	}
	c, err := audit.ReadCheckpoint(o.checkpointFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return c, checkpointError(err)
}

// writeCheckpoint writes where this audit ended, if it found no difference.
func (o *auditOptions) writeCheckpoint(a *app, r *audit.Report) error {
	switch {
	case o.checkpoint == "":
		return nil
	case r.Checkpoint == nil:
		a.say("no checkpoint is written: %s", r.NoCheckpoint)
		return nil
	}
	if err := audit.WriteCheckpoint(o.checkpointFile(), r.Checkpoint); err != nil {
		return fmt.Errorf("--checkpoint: %w", err)
	}
	a.say("checkpoint written to %s", o.checkpointFile())
	return nil
}

// checkpointError gives a checkpoint that cannot be used its exit code.
func checkpointError(err error) error {
	if errors.Is(err, audit.ErrCheckpoint) {
		return &failure{code: exitState, id: "P5005", text: err.Error(), err: err}
	}
	return err
}
