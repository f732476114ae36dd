package config

import (
	"fmt"
	"strings"
)

// expand replaces each ${NAME} by its value; "$${" stands for a plain "${".
func expand(s string, env func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1])
			b.WriteString("${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		name, rest, ok := strings.Cut(s[i+2:], "}")
		if !ok || !isEnvName(name) {
			return "", fmt.Errorf(`"${" begins no ${NAME}: write "$${" for the characters themselves`)
		}
		v, ok := env(name)
		if !ok {
			return "", fmt.Errorf("the environment has no variable %s", name)
		}
		b.WriteString(v)
		s = rest
	}
}

func isEnvName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
