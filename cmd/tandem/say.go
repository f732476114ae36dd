package main

import (
	"path/filepath"

	"tandem/config"
	"tandem/scripting/voice"
)

// speaker is who reads text to callers.
func speaker(cfg *config.Config) *voice.Speaker {
	s := cfg.Say
	return voice.New(voice.Options{Command: s.Command, URL: string(s.URL), Voice: s.Voice, Timeout: s.Timeout.Std(),
		Dir: filepath.Join(string(cfg.Server.Data), "say"), Cache: int64(s.Cache)})
}
