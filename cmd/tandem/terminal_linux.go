package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// terminalWidth is in characters, 0 if the terminal does not say.
func terminalWidth(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// prompt reads a line from a terminal that does not show it. A signal ends it, and the
// terminal is then as it was.
func (a *app) prompt(f *os.File, text string) (string, error) {
	fd := int(f.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	blind := *was
	blind.Lflag &^= unix.ECHO
	blind.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &blind); err != nil {
		return "", err
	}
	defer func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, was)
		fmt.Fprintln(a.stderr)
	}()
	fmt.Fprint(a.stderr, text)
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReaderSize(f, maxPassword+2).ReadString('\n')
		typed <- answer{line, err}
	}()
	select {
	case got := <-typed:
		return strings.TrimRight(got.line, "\r\n"), got.err
	case <-a.ctx.Done():
		return "", a.ctx.Err()
	}
}
