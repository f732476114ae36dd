package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tandem/clock"
)

// DefaultLifetime is how long a nonce may be used.
const DefaultLifetime = 5 * time.Minute

// DigestOptions set up the server side of digest.
type DigestOptions struct {
	Realm      string        // "tandem" if empty
	Algorithms []Algorithm   // offered in this order; SHA-256 and MD5 if empty
	Key        []byte        // signs nonces; random if empty, so that a restart makes all stale
	Clock      clock.Clock   // the system's if nil
	Lifetime   time.Duration // of a nonce; DefaultLifetime if 0
}

// Digest challenges and verifies, RFC 7616. It is safe for concurrent use and
// keeps nothing of a challenge: a nonce carries its own time and signature. Of
// nonces that were answered rightly it keeps which counts were used, bounded.
type Digest struct {
	realm      string
	algorithms []Algorithm
	nonces     nonces
	replays    replays
	md5Only    atomic.Bool
	unknown    Credential // stands in for a user that is not there
}

// NewDigest makes the server side of digest for one realm.
func NewDigest(o DigestOptions) *Digest {
	if o.Realm == "" {
		o.Realm = "tandem"
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []Algorithm{SHA256, MD5}
	}
	if len(o.Key) == 0 {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // crypto/rand.Read never fails
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Lifetime <= 0 {
		o.Lifetime = DefaultLifetime
	}
	return &Digest{
		realm: o.Realm, algorithms: slices.Clone(o.Algorithms),
		nonces:  nonces{key: slices.Clone(o.Key), clock: o.Clock, lifetime: o.Lifetime},
		replays: replays{max: maxNonces},
		unknown: NewCredential("", o.Realm, rand.Text()),
	}
}

// Realm is the realm that users' credentials are made for.
func (d *Digest) Realm() string { return d.realm }

// ExpectMD5Only says that some users have an MD5 hash and no other. From then on every wrong
// answer by a better algorithm is Unmatched, whoever the user is: were it so for those
// users alone, the second challenge would tell them from users that do not exist.
func (d *Digest) ExpectMD5Only() { d.md5Only.Store(true) }

// Challenge makes the values of WWW-Authenticate (401) or Proxy-Authenticate
// (407) headers, one an algorithm, best first as configured (RFC 8760 §2.4). Only
// answers from the address to are taken. stale tells the client that its password
// was not the trouble. With only, just those of the offered algorithms are in it.
func (d *Digest) Challenge(to netip.Addr, stale bool, only ...Algorithm) []string {
	nonce := d.nonces.make(to)
	var out []string
	for _, a := range d.algorithms {
		if len(only) > 0 && !slices.Contains(only, a) {
			continue
		}
		v := "Digest realm=" + quote(d.realm) + `, nonce="` + nonce + `", algorithm=` + string(a) + `, qop="auth"`
		if stale {
			v += ", stale=true"
		}
		out = append(out, v)
	}
	return out
}

// Verdict is what Verify found.
type Verdict int

const (
	// Foreign: not an answer to a challenge of ours (unreadable, another realm
	// or an algorithm not offered). As if there were none: challenge.
	Foreign Verdict = iota
	// OK: the user has the password.
	OK
	// Bad: the wrong password, or no such user.
	Bad
	// Stale: the nonce is too old, was never given to this address, or was used with this
	// count before. Challenge with stale set; no failure of the user's.
	Stale
	// Unmatched: not right by the algorithm that the client chose, but perhaps by MD5, for
	// there are users with no other hash (ExpectMD5Only). Challenge with MD5 alone.
	Unmatched
)

var verdictNames = [...]string{"foreign", "ok", "bad", "stale", "unmatched"}

func (v Verdict) String() string { return verdictNames[v] }

// Username is the user whom an Authorization or Proxy-Authorization header
// names; ok is false if the header is not for our realm or cannot be read. Of
// several headers, the one to Verify is the first that has a Username.
func (d *Digest) Username(header string) (user string, ok bool) {
	ps, err := parseDigest(header)
	if err != nil || ps["realm"] != d.realm || ps["username"] == "" || !printable(ps["username"]) {
		return "", false
	}
	return ps["username"], true
}

// URI is the digest-uri that a header answers for, "" if it cannot be read. It
// ought to equal the Request-URI, RFC 7616 §3.4.6; how strictly is the caller's choice.
func URI(header string) string {
	ps, err := parseDigest(header)
	if err != nil {
		return ""
	}
	return ps["uri"]
}

// Verify checks the answer in header to a request with that method from the address from
// against c, the credential of the user that Username gave.
// found is false when there is no such user: the verdict is then Bad after the
// same work, so that neither answer nor time tells users from others.
func (d *Digest) Verify(from netip.Addr, method, header string, c Credential, found bool) Verdict {
	ps, err := parseDigest(header)
	if err != nil || ps["realm"] != d.realm || ps["response"] == "" || ps["nonce"] == "" {
		return Foreign
	}
	a := MD5 // RFC 7616 §3.4: what a client means that names none
	if name, given := ps["algorithm"]; given {
		var known bool
		if a, known = ParseAlgorithm(name); !known {
			return Foreign
		}
	}
	count, valid := countOf(ps)
	if !slices.Contains(d.algorithms, a) || !valid {
		return Foreign
	}
	id, fresh := d.nonces.fresh(ps["nonce"], from)
	if !fresh {
		return Stale
	}
	ha1, held := c.HA1[a]
	if !found || !held {
		ha1 = d.unknown.HA1[a]
	}
	want := a.response(ha1, method, ps, "")
	same := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(ps["response"]))) == 1
	switch {
	case same && found && held && ps["username"] == c.User:
		if !d.replays.take(id, count, d.nonces.clock.Now(), d.nonces.lifetime) {
			return Stale
		}
		return OK
	case a != MD5 && d.md5Only.Load() && slices.Contains(d.algorithms, MD5):
		return Unmatched
	}
	return Bad
}

// Answers tells whether header answers a challenge of ours that went to the address from and
// is still valid: only then is a user worth looking up.
func (d *Digest) Answers(from netip.Addr, header string) bool {
	ps, err := parseDigest(header)
	if err != nil || ps["realm"] != d.realm {
		return false
	}
	_, fresh := d.nonces.fresh(ps["nonce"], from)
	return fresh
}

// countOf is the nonce count of qop=auth, which goes with a cnonce. Without qop it is 1:
// RFC 3261 §22.4 rule 8 keeps clients of RFC 2069 working, and they use a nonce once.
func countOf(ps params) (count uint32, valid bool) {
	qop, given := ps["qop"]
	if !given {
		return 1, true
	}
	n, err := strconv.ParseUint(ps["nc"], 16, 32)
	return uint32(n), strings.EqualFold(qop, "auth") && err == nil && n > 0 && ps["cnonce"] != ""
}

// response is request-digest, RFC 7616 §3.4.1; bodyHash is used with auth-int only.
func (a Algorithm) response(ha1, method string, ps params, bodyHash string) string {
	ha2 := []string{method, ps["uri"]}
	if strings.EqualFold(ps["qop"], "auth-int") {
		ha2 = append(ha2, bodyHash)
	}
	if ps["qop"] == "" {
		return a.digest(ha1, ps["nonce"], a.digest(ha2...))
	}
	return a.digest(ha1, ps["nonce"], ps["nc"], ps["cnonce"], ps["qop"], a.digest(ha2...))
}
