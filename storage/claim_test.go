package storage

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestClaim: what is removed is the state, of this application, that nobody has open.
func TestClaim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	o := Options{App: "one"}
	if c, err := Claim(dir, o); c != nil || err != nil {
		t.Fatalf("of nothing: %v %v", c, err)
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("of an open store: %v", err)
	}
	if err := s.SetMeta("key", "value"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(dir, Options{App: "two"}); !errors.Is(err, ErrOtherApp) {
		t.Errorf("of another application: %v", err)
	}
	c, err := Claim(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.Bytes(); n == 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := Open(dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("opened while claimed: %v", err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Bytes(); n != 0 || err != nil {
		t.Errorf("%d bytes are left, %v", n, err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, o); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Meta("key"); ok {
		t.Error("something is left")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Claim(t.TempDir()+"/..", o); !errors.Is(err, ErrDirectory) {
		t.Errorf("of other people's files: %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
