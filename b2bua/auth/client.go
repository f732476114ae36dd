package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNoChallenge says that none of the challenges can be answered: another
// scheme, an algorithm we lack, or protection other than auth and auth-int.
var ErrNoChallenge = errors.New("auth: no challenge that can be answered")

// Answer makes the value of the Authorization (to 401) or Proxy-Authorization
// (to 407) header for a request. Of several challenges it answers the one with
// the best algorithm, and of these the first (RFC 8760 §2.4). uri is the
// Request-URI as sent; body is only read when the server insists on auth-int.
func Answer(challenges []string, method, uri, user, password string, body []byte) (string, error) {
	if !printable(user) || !printable(uri) {
		return "", fmt.Errorf("auth: control character in the user or URI")
	}
	best, algorithm := choose(challenges, nil)
	if best == nil {
		return "", ErrNoChallenge
	}
	q := &question{place: place{realm: best["realm"]}, params: best, algorithm: algorithm,
		ha1: algorithm.digest(user, best["realm"], password)}
	return q.answer(user, method, uri, body), nil
}

// WantsRetry tells whether a challenge says that only the nonce was at fault
// (stale=true), so that the same password is worth another try.
func WantsRetry(challenges []string) bool {
	for _, c := range challenges {
		if ps, err := parseDigest(c); err == nil && strings.EqualFold(ps["stale"], "true") {
			return true
		}
	}
	return false
}

// choose picks the challenge to answer; nil if there is none. only bounds the algorithms.
func choose(challenges []string, only []Algorithm) (best params, algorithm Algorithm) {
	for _, c := range challenges {
		ps, err := parseDigest(c)
		if err != nil || !answerable(ps) {
			continue
		}
		a := MD5 // RFC 7616 §3.3: when the server names none
		if name, given := ps["algorithm"]; given {
			var known bool
			if a, known = ParseAlgorithm(name); !known {
				continue
			}
		}
		if len(only) > 0 && !slices.Contains(only, a) {
			continue
		}
		if best == nil || (algorithm == MD5 && a == SHA256) {
			best, algorithm = ps, a
		}
	}
	return best, algorithm
}

func answerable(ps params) bool {
	_, hasRealm := ps["realm"]
	offered, given := ps["qop"]
	for _, v := range ps { // what we send back must not break our header
		if !printable(v) {
			return false
		}
	}
	return hasRealm && ps["nonce"] != "" && (!given || listHas(offered, "auth") || listHas(offered, "auth-int"))
}
