package sim

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/trunk"
)

// registerLimit is how long anything of the signalling may take.
const registerLimit = time.Minute

// user is the registered phone of a user.
func (w *world) user(name string) (*party, error) {
	key := "user:" + name
	if p := w.phones[key]; p != nil {
		return p, nil
	}
	w.users.add(name)
	p, err := w.newPhone(name, "", address(1, len(w.phones)))
	if err != nil {
		return nil, err
	}
	w.phones[key] = p
	if err := w.run(registerLimit, func() error { return p.phone.Register(w.ctx) }); err != nil {
		return nil, fmt.Errorf("registering %s: %w", name, err)
	}
	return p, nil
}

// carrier is the far end of a trunk, which the server has then.
func (w *world) carrier(name string) (*party, error) {
	key := "trunk:" + name
	if p := w.phones[key]; p != nil {
		return p, nil
	}
	at := address(2, len(w.phones))
	host, err := trunk.ParseHost(at.String())
	if err != nil {
		return nil, err
	}
	p, err := w.newPhone(name, "", at)
	if err != nil {
		return nil, err
	}
	w.phones[key] = p
	w.configs = append(w.configs, trunk.Config{Name: name, Hosts: []trunk.Host{host}, Trust: true})
	w.trunks.Configure(w.configs)
	return p, w.still.wait()
}

// stranger is a caller without an account: one who calls by a trunk, or from an address that
// the server trusts.
func (w *world) stranger(from, display, by string) (*party, error) {
	w.callers++
	at := address(3, w.callers)
	if by != "" {
		if _, err := w.carrier(by); err != nil {
			return nil, err
		}
		for _, c := range w.configs {
			if c.Name != by {
				continue
			}
			ip, err := netip.ParseAddr(c.Hosts[0].Name)
			if err != nil {
				return nil, err
			}
			at = netip.AddrPortFrom(ip, uint16(20_000+w.callers))
		}
	}
	p, err := w.newPhone(from, display, at)
	if err == nil {
		w.phones[at.String()] = p
	}
	return p, err
}

// peer is somebody at a SIP address, which must be one by number.
func (w *world) peer(target string) (*party, error) {
	if p := w.phones[target]; p != nil {
		return p, nil
	}
	var u sip.Uri
	if err := sip.ParseUri(target, &u); err != nil {
		return nil, fmt.Errorf("%q is not a SIP URI", target)
	}
	ip, err := netip.ParseAddr(u.Host)
	if err != nil {
		return nil, fmt.Errorf("%q: a simulated party is at an IP address, not at a name", target)
	}
	port := u.Port
	if port == 0 {
		port = 5060
	}
	p, err := w.newPhone(u.User, "", netip.AddrPortFrom(ip, uint16(port)))
	if err != nil {
		return nil, err
	}
	w.phones[target] = p
	return p, nil
}

// dialled is who a target leads to, and how to tell the call from others to the same party.
func (w *world) dialled(target string) (*party, func(*phone.Call) bool, error) {
	kind, rest, _ := strings.Cut(target, ":")
	any := func(*phone.Call) bool { return true }
	switch kind {
	case "user":
		p, err := w.user(rest)
		return p, any, err
	case "trunk":
		name, number, _ := strings.Cut(rest, "/")
		p, err := w.carrier(name)
		return p, func(c *phone.Call) bool { return number == "" || unescape(c.Invite().Recipient.User) == number }, err
	case "sip":
		p, err := w.peer(target)
		return p, any, err
	}
	return nil, nil, fmt.Errorf("%q: only user:, trunk: and sip: targets can be simulated", target)
}

// unescape undoes the escapes that a number may carry in a URI (RFC 3261 §19.1.2).
func unescape(user string) string {
	return strings.NewReplacer("%23", "#", "%2B", "+", "%2b", "+", "%2A", "*", "%2a", "*").Replace(user)
}

// escape writes a number as a URI may carry it.
func escape(user string) string { return strings.ReplaceAll(user, "#", "%23") }
