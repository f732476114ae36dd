package config

import _ "embed"

//go:embed tandem.toml
var template []byte

// Template is a commented tandem.toml that sets nothing; `tandem init` writes it.
func Template() []byte { return append([]byte(nil), template...) }
