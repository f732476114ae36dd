package main

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// goAhead starts the program anew so that all its threads, and those of the servers, run ahead
// of whatever else the machine does. Only root may; others go on as they are.
func goAhead() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return
	}
	if unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0) != nil {
		return
	}
	_ = syscall.Exec(self, append(os.Args, "-ahead"), os.Environ()) // returns only when it fails
}
