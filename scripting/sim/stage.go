package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"tandem/scripting"
)

// stage is what all specs of a run share, since making it takes longer than most specs:
// compiled scripts, and sounds as they are heard. Nothing of it changes once it is made.
type stage struct {
	folder   string // for what specs write, a folder each
	specs    int
	compiled map[string]*scripting.Compiled // by folder
	sounds   map[string][]byte              // µ-law, by what they were made of
}

func newStage() (*stage, error) {
	folder, err := os.MkdirTemp("", "tandem-test-")
	if err != nil {
		return nil, fmt.Errorf("a folder for recordings: %w", err)
	}
	return &stage{folder: folder, compiled: map[string]*scripting.Compiled{}, sounds: map[string][]byte{}}, nil
}

func (s *stage) close() error { return os.RemoveAll(s.folder) }

// room makes a folder for one spec.
func (s *stage) room() (string, error) {
	s.specs++
	folder := filepath.Join(s.folder, strconv.Itoa(s.specs))
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", fmt.Errorf("a folder for a spec: %w", err)
	}
	return folder, nil
}

// compile gives the scripts of a folder, which does not change during a run.
func (s *stage) compile(o scripting.Options) (*scripting.Compiled, error) {
	if c := s.compiled[o.Dir]; c != nil {
		return c, nil
	}
	c, err := scripting.Compile(o)
	if err == nil {
		s.compiled[o.Dir] = c
	}
	return c, err
}
