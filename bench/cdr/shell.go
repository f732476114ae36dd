package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// shell is the sqlite3 program on the same file; it times what it runs itself, so that
// starting it and reading its output do not count.
type shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startShell(path string) (*shell, error) {
	cmd := exec.Command("sqlite3", "-readonly", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (make peers installs it)", err)
	}
	s := &shell{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if _, err := fmt.Fprintln(in, ".timer on"); err != nil {
		return nil, err
	}
	return s, nil
}

var runTime = regexp.MustCompile(`^Run Time: real (\d+\.\d+)`)

// run is how long the shell says that a query took.
func (s *shell) run(query string) (time.Duration, error) {
	if _, err := fmt.Fprintln(s.in, strings.ReplaceAll(query, "\n", " ")+";"); err != nil {
		return 0, err
	}
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if m := runTime.FindStringSubmatch(line); m != nil {
			seconds, err := strconv.ParseFloat(m[1], 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
}

func (s *shell) close() {
	s.in.Close()
	s.cmd.Wait()
}
