// Package trunk keeps the ways to carriers and other switches: which of a trunk's hosts are
// alive, that we are registered with it, which inbound requests are its own, and how many
// calls it carries. It makes no calls itself.
package trunk

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"sync/atomic"
	"time"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
)

// Place is where a trunk's requests carry the dialled number.
type Place string

// Places of the dialled number.
const (
	InRequestURI      Place = "ruri"
	InTo              Place = "to"
	InCalledPartyID   Place = "p-called-party-id" // RFC 7315 §4.2
	defaultRegistered       = 10 * time.Minute
)

// Asserted is the header that tells a trunk who calls, besides From.
type Asserted string

// Headers that tell who calls.
const (
	AssertNothing  Asserted = "none"
	AssertIdentity Asserted = "pai"  // P-Asserted-Identity, RFC 3325 §9.1
	PreferIdentity Asserted = "ppi"  // P-Preferred-Identity, RFC 3325 §9.2
	RemotePartyID  Asserted = "rpid" // draft-ietf-sip-privacy-04, which many still want
)

// Config is a trunk as the configuration has it.
type Config struct {
	Name      string
	Hosts     []Host          // in the order of failover
	Transport transport.Proto // "": as DNS says, else UDP
	Domain    string          // host of our addresses with it and of those we call; "": see Host
	Username  string
	Password  string
	Digest    []auth.Algorithm // challenges are answered by these; none: by every one
	Register  bool
	Expires   time.Duration  // that registrations ask for; 10 min if 0
	Match     []netip.Prefix // where its calls come from; none: the addresses of its hosts
	Check     time.Duration  // between probes of a host; 0: none

	MaxCalls       int // at once, in both directions; 0: no limit
	CallsPerSecond int // 0: no limit

	Number                                               Place
	RewriteIn, RewriteOut, RewriteFromIn, RewriteFromOut Rules

	CallerID   string   // the number shown where the script names none; "": the caller's own
	CallerName string   // the name shown where the script names none; "": the caller's own
	Account    bool     // From carries the username, whoever calls
	Identity   Asserted // what else tells who calls
	Trust      bool     // what it says about who calls is believed

	Headers HeaderPolicy
	Codecs  []string // none: those of the server
	DTMF    string   // "": rfc4733
	SRTP    string   // "off", "optional", "required"; "": as the peer offers
}

// Trunk is one trunk. It is safe for concurrent use, and stays valid for calls in progress
// when its configuration changes or it is taken out.
type Trunk struct {
	set   *Set
	name  string
	cfg   atomic.Pointer[Config]
	line  atomic.Pointer[line]
	usage usage
}

// Name is the name in the configuration.
func (t *Trunk) Name() string { return t.name }

// Config is the configuration in force. It is not to be changed.
func (t *Trunk) Config() *Config { return t.cfg.Load() }

// Login answers the trunk's challenges; nil where it has no username.
func (t *Trunk) Login() *auth.Login { return t.line.Load().login }

// Token is the user part of the Contact that we register, which tells this trunk's calls
// from those of another one with the same address.
func (t *Trunk) Token() string { return t.line.Load().token }

// token stays the same over restarts, so that a registration replaces the one before it.
func token(c *Config) string {
	sum := sha256.Sum256([]byte("trunk\x00" + c.Name + "\x00" + c.Username))
	return hex.EncodeToString(sum[:8])
}
