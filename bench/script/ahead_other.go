//go:build !linux

package main

// goAhead is for Linux.
func goAhead() {}
