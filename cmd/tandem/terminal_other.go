//go:build !linux

package main

import (
	"errors"
	"os"
)

// isTerminal is false where we cannot hide what is typed: a password is then piped in.
func isTerminal(*os.File) bool { return false }

func terminalWidth(*os.File) int { return 0 }

func (*app) prompt(*os.File, string) (string, error) {
	return "", errors.New("passwords cannot be typed here: pipe one in, or use --generate")
}
