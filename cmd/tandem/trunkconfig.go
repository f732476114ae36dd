package main

import (
	"fmt"
	"maps"
	"slices"

	"tandem/b2bua/auth"
	"tandem/b2bua/transport"
	"tandem/b2bua/trunk"
	"tandem/config"
)

// trunkConfigs are the trunks as their engine wants them. What config has checked is not
// refused here; an error names the trunk all the same.
func trunkConfigs(list []config.Trunk) ([]trunk.Config, error) {
	out := make([]trunk.Config, 0, len(list))
	for _, t := range list {
		c, err := trunkConfig(t)
		if err != nil {
			return nil, fmt.Errorf("trunk %s: %w", t.Name, err)
		}
		out = append(out, c)
	}
	return out, nil
}

func trunkConfig(t config.Trunk) (trunk.Config, error) {
	c := trunk.Config{
		Name: t.Name, Transport: transport.Proto(t.Transport), Domain: t.Domain,
		Username: t.Username, Password: string(t.Password), Register: t.Register, Expires: t.Expires.Std(),
		Match: prefixes(t.Match), Check: t.Check.Std(), MaxCalls: t.MaxCalls, CallsPerSecond: t.CallsPerSecond,
		Number: trunk.Place(t.Number), CallerID: t.CallerID, CallerName: t.CallerName,
		Account: t.From == "username", Identity: trunk.Asserted(t.Identity), Trust: t.Trust,
		Headers: trunk.HeaderPolicy{Pass: t.Pass, Drop: t.Drop}, Codecs: t.Codecs, DTMF: t.DTMF, SRTP: t.SRTP,
	}
	for _, s := range t.Hosts {
		h, err := trunk.ParseHost(string(s))
		if err != nil {
			return c, err
		}
		c.Hosts = append(c.Hosts, h)
	}
	var err error
	if c.Digest, err = algorithms(t.Digest); err != nil {
		return c, err
	}
	for _, r := range []struct {
		into *trunk.Rules
		from []config.Rule
	}{{&c.RewriteIn, t.RewriteIn}, {&c.RewriteOut, t.RewriteOut}, {&c.RewriteFromIn, t.RewriteFromIn}, {&c.RewriteFromOut, t.RewriteFromOut}} {
		for _, rule := range r.from {
			made, err := trunk.NewRule(string(rule.Match), rule.Replace)
			if err != nil {
				return c, err
			}
			*r.into = append(*r.into, made)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Set)) {
		c.Headers.Set = append(c.Headers.Set, trunk.Header{Name: name, Value: t.Set[name]})
	}
	return c, nil
}

// algorithms are those of digest that a configuration names.
func algorithms(names []string) ([]auth.Algorithm, error) {
	var out []auth.Algorithm
	for _, name := range names {
		a, ok := auth.ParseAlgorithm(name)
		if !ok {
			return nil, fmt.Errorf("digest algorithm %q is not known", name)
		}
		out = append(out, a)
	}
	return out, nil
}
