package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// commit is set by the linker (see Makefile), for builds that Go does not stamp.
var commit string

type versionCmd struct{}

// Run prints version, commit and Go version.
func (versionCmd) Run(a *app) error {
	v, c := buildVersion()
	fmt.Fprintf(a.stdout, "tandem %s, commit %s, %s %s/%s\n", v, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// buildVersion tells what this binary was made from.
func buildVersion() (version, revision string) {
	version, revision = "devel", commit
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, orUnknown(revision)
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && revision == "":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true" && revision != "":
			revision += " (changed)"
		}
	}
	return version, orUnknown(revision)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
