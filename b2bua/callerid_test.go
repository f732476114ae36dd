package b2bua

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/trunk"
)

func rule(t *testing.T, match, replace string) trunk.Rules {
	t.Helper()
	r, err := trunk.NewRule(match, replace)
	if err != nil {
		t.Fatal(err)
	}
	return trunk.Rules{r}
}

// What a trunk is told of who calls, by its policy, the script's wish and the caller's.
func TestCallerIDTowardsATrunk(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy func(c *trunk.Config)
		opts   DialOptions
		asks   string // the caller's headers
		want   map[string]string
	}{
		{name: "as it comes", want: map[string]string{"From": "<sip:alice@10.0.0.1:5060>", "P-Asserted-Identity": "", "Privacy": ""}},
		{name: "the script's", opts: DialOptions{From: "1001", Display: "Al"}, want: map[string]string{"From": `"Al" <sip:1001@10.0.0.1:5060>`}},
		{name: "the trunk's", policy: func(c *trunk.Config) { c.CallerID, c.CallerName = "+4420", "Ltd" },
			want: map[string]string{"From": `"Ltd" <sip:+4420@10.0.0.1:5060>`}},
		{name: "the script's wins", policy: func(c *trunk.Config) { c.CallerID, c.CallerName = "+4420", "Ltd" }, opts: DialOptions{From: "1001"},
			want: map[string]string{"From": "<sip:1001@10.0.0.1:5060>"}},
		{name: "rewritten", policy: func(c *trunk.Config) { c.RewriteFromOut = rule(t, "^0", "+44") }, opts: DialOptions{From: "0207"},
			want: map[string]string{"From": "<sip:+44207@10.0.0.1:5060>"}},
		{name: "domain", policy: func(c *trunk.Config) { c.Domain = "carrier.example" },
			want: map[string]string{"From": "<sip:alice@carrier.example>", "To": "<sip:+4420@carrier.example>"}},
		{name: "account and PAI", policy: func(c *trunk.Config) {
			c.Domain, c.Username, c.Account, c.Identity = "carrier.example", "me", true, trunk.AssertIdentity
		}, opts: DialOptions{From: "+4421", Display: "Al"},
			want: map[string]string{"From": `"Al" <sip:me@carrier.example>`, "P-Asserted-Identity": `"Al" <sip:+4421@carrier.example>`}},
		{name: "PPI", policy: func(c *trunk.Config) { c.Identity = trunk.PreferIdentity },
			want: map[string]string{"P-Preferred-Identity": "<sip:alice@10.0.0.1:5060>", "P-Asserted-Identity": ""}},
		{name: "RPID", policy: func(c *trunk.Config) { c.Identity = trunk.RemotePartyID },
			want: map[string]string{"Remote-Party-ID": "<sip:alice@10.0.0.1:5060>;party=calling;screen=yes;privacy=off"}},
		{name: "private", policy: func(c *trunk.Config) { c.Identity = trunk.AssertIdentity }, asks: "Privacy: id",
			want: map[string]string{"From": `"Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy": "id", "P-Asserted-Identity": "<sip:alice@10.0.0.1:5060>"}},
		{name: "private, RPID", policy: func(c *trunk.Config) { c.Identity = trunk.RemotePartyID }, opts: DialOptions{Privacy: true},
			want: map[string]string{"Privacy": "id", "Remote-Party-ID": "<sip:alice@10.0.0.1:5060>;party=calling;screen=yes;privacy=full"}},
		{name: "private to one that asserts nothing", asks: "Privacy: user;id",
			want: map[string]string{"From": `"Anonymous" <sip:anonymous@anonymous.invalid>`, "Privacy": "id", "P-Asserted-Identity": "", "Remote-Party-ID": ""}},
		{name: "theirs goes on", policy: func(c *trunk.Config) { c.Identity = trunk.AssertIdentity }, asks: "P-Asserted-Identity: <sip:+4477@x>",
			want: map[string]string{"From": "<sip:alice@10.0.0.1:5060>", "P-Asserted-Identity": "<sip:+4477@10.0.0.1:5060>"}},
		{name: "the script's own header", policy: func(c *trunk.Config) { c.Identity = trunk.AssertIdentity },
			opts: DialOptions{Headers: Headers{{"P-Asserted-Identity", "<sip:+1@x>"}}}, want: map[string]string{"P-Asserted-Identity": "<sip:+1@x>"}},
		{name: "headers", asks: "X-A: 1\r\nX-Secret: 2\r\nSubject: s\r\nDiversion: <sip:1@x>\r\nP-Asserted-Identity: <sip:2@x>",
			policy: func(c *trunk.Config) {
				c.Headers = trunk.HeaderPolicy{Pass: []string{"X-*", "P-*"}, Drop: []string{"x-secret", "diversion"}, Set: []trunk.Header{{Name: "X-Account", Value: "7"}}}
			},
			want: map[string]string{"X-A": "1", "X-Secret": "", "Subject": "", "Diversion": "", "P-Asserted-Identity": "", "X-Account": "7"}},
		{name: "the script sets, too", asks: "X-A: 1", opts: DialOptions{Headers: Headers{{"X-A", "2"}, {"X-Account", "8"}}},
			policy: func(c *trunk.Config) {
				c.Headers = trunk.HeaderPolicy{Pass: []string{"*"}, Set: []trunk.Header{{Name: "X-Account", Value: "7"}}}
			},
			want: map[string]string{"X-A": "2", "X-Account": "8", "Contact": "<sip:10.0.0.1:5060>"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := carrier(t, 2)
			if c.policy != nil {
				c.policy(&cfg)
			}
			inWorld(t, toTrunk(c.opts), func(w *world) {
				a, b := w.peer(1), w.peer(2)
				var headers []string
				if c.asks != "" {
					headers = append(headers, c.asks)
				}
				a.send("INVITE", "+4420", a.body, headers...)
				a.response(100)
				invite := b.request(sip.INVITE)
				for name, want := range c.want {
					got := strings.Join(headersOf(invite, name), " and ")
					got, _, _ = strings.Cut(got, ";tag=")
					if got != want {
						t.Errorf("%s: %q; want %q", name, got, want)
					}
				}
				b.challenge(invite, 486)
				a.response(486)
				a.refused()
			}, withTrunks(cfg))
		})
	}
}

// From a trunk that is not to be believed nothing about identities goes on; headers that its
// policy passes do, to a phone as well.
func TestATrunkThatIsNotTrusted(t *testing.T) {
	for _, trust := range []bool{true, false} {
		t.Run(fmt.Sprint(trust), func(t *testing.T) {
			cfg := carrier(t, 2)
			cfg.Trust = trust
			cfg.Headers = trunk.HeaderPolicy{Pass: []string{"X-*"}}
			inWorld(t, func(ctx context.Context, c *Call) error {
				if who, ok := c.Identity(); ok != trust || ok && who.User != "+4477" {
					t.Errorf("trust %v: identity %+v %v", trust, who, ok)
				}
				_, err := c.BridgeTo(ctx, []string{"sip:bob@10.0.1.5"}, DialOptions{})
				return err
			}, func(w *world) {
				b, p := w.peer(2), w.peer(5)
				b.send("INVITE", "100", b.body, "P-Asserted-Identity: <sip:+4477@x>", "Diversion: <sip:1@x>", "X-Call: 9")
				b.response(100)
				invite := p.request(sip.INVITE)
				d, diverted := headerOf(invite, "Diversion")
				x, _ := headerOf(invite, "X-Call")
				if diverted != trust || x != "9" || len(headersOf(invite, "P-Asserted-Identity")) > 0 {
					t.Errorf("trust %v: Diversion %q, X-Call %q:\n%s", trust, d, x, invite)
				}
				p.challenge(invite, 486)
				b.response(486)
				b.refused()
			}, withTrunks(cfg))
		})
	}
}

// What is asserted survives the way through our own chain.
func TestIdentityThroughARoute(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Identity = trunk.AssertIdentity
	inWorld(t, func(ctx context.Context, c *Call) error {
		target := "route:+4420"
		if c.Number() == "+4420" {
			target = "trunk:carrier/+4420"
		}
		_, err := c.BridgeTo(ctx, []string{target}, DialOptions{})
		return err
	}, func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.send("INVITE", "100", a.body, "P-Asserted-Identity: <sip:+4477@x>")
		a.response(100)
		invite := b.request(sip.INVITE)
		if v, _ := headerOf(invite, "P-Asserted-Identity"); v != "<sip:+4477@10.0.0.1:5060>" {
			t.Errorf("P-Asserted-Identity: %q", v)
		}
		b.challenge(invite, 486)
		a.response(486)
		a.refused()
	}, withTrunks(cfg))
}

func TestCodecsOfATrunk(t *testing.T) {
	cfg := carrier(t, 2)
	cfg.Codecs = []string{"pcma"}
	inWorld(t, toTrunk(DialOptions{}), func(w *world) {
		a, b := w.peer(1), w.peer(2)
		a.calls("+4420")
		invite := b.request(sip.INVITE)
		if sdp := string(invite.Body()); strings.Contains(sdp, "PCMU") || !strings.Contains(sdp, "PCMA") {
			t.Errorf("offer:\n%s", sdp)
		}
		b.challenge(invite, 486)
		a.response(486)
		a.refused()
	}, withTrunks(cfg))
}
