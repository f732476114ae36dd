package main

import (
	"tandem/b2bua"
	"tandem/config"
	"tandem/media"
)

// setPreferences takes what users of the file want their media to be like.
func (s *server) setPreferences(users []config.User) {
	all := make(map[string]b2bua.Preferences, len(users))
	for _, u := range users {
		all[u.Name] = b2bua.Preferences{Encryption: media.EncryptionNamed(u.SRTP), DTMF: media.DTMFNamed(u.DTMF), Codecs: u.Codecs}
	}
	s.preferences.Store(&all)
}

// preferencesOf are the zero value for users kept in the store, who have none.
func (s *server) preferencesOf(user string) b2bua.Preferences {
	return (*s.preferences.Load())[user]
}
