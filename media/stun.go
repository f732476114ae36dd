package media

import (
	"net/netip"
	"strings"

	"github.com/pion/stun/v3"
)

// maxSTUN is the longest connectivity check that is looked at; they have some 100 bytes.
const maxSTUN = 548 // RFC 8489 §6.1: what every path of IPv4 can carry, less the headers

// check is a connectivity check that has proved to be the peer's.
type check struct {
	nominates bool
	priority  uint32
}

// answerCheck answers a STUN request that came from somewhere (RFC 8445 §7.3). It gives the
// answer to send there, nil for none; ok says that the request was the peer's and valid.
func (p *iceParams) answerCheck(b []byte, from netip.AddrPort) (answer []byte, c check, ok bool) {
	if len(b) > maxSTUN {
		return nil, c, false
	}
	req := stun.New()
	if stun.Decode(b, req) != nil || req.Type != stun.BindingRequest || stun.Fingerprint.Check(req) != nil {
		return nil, c, false // RFC 8445 §7.1.1: all checks have a fingerprint
	}
	if unknown := unknownAttributes(req); len(unknown) > 0 {
		return refuseCheck(req, stun.CodeUnknownAttribute, unknown), c, false
	}
	var user stun.Username
	integrity, missing := req.Get(stun.AttrMessageIntegrity)
	if user.GetFrom(req) != nil || missing != nil || len(integrity) == 0 {
		return refuseCheck(req, stun.CodeBadRequest, nil), c, false // RFC 8489 §9.1.3
	}
	ours, theirs, _ := strings.Cut(string(user), ":")
	key := stun.NewShortTermIntegrity(p.pwd)
	if ours != p.ufrag || theirs != p.remoteUfrag || key.Check(req) != nil {
		return refuseCheck(req, stun.CodeUnauthorized, nil), c, false
	}
	if req.Contains(stun.AttrICEControlled) { // RFC 8445 §7.3.1.1: we are lite and cannot lead
		return sign(req, key, stun.BindingError, stun.CodeRoleConflict), c, false
	}
	c.nominates = req.Contains(stun.AttrUseCandidate)
	if v, err := req.Get(stun.AttrPriority); err == nil && len(v) == 4 {
		c.priority = uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
	}
	mapped := &stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())}
	return sign(req, key, stun.BindingSuccess, mapped), c, true
}

// unknownAttributes are those that we would have to understand (RFC 8489 §6.3.1).
func unknownAttributes(req *stun.Message) stun.UnknownAttributes {
	var list stun.UnknownAttributes
	for _, a := range req.Attributes {
		switch a.Type {
		case stun.AttrUsername, stun.AttrMessageIntegrity, stun.AttrPriority, stun.AttrUseCandidate,
			stun.AttrRealm, stun.AttrNonce, stun.AttrMappedAddress, stun.AttrXORMappedAddress:
			continue
		}
		if a.Type.Required() && len(list) < 16 {
			list = append(list, a.Type)
		}
	}
	return list
}

// sign builds an answer that only who knows the password can have made.
func sign(req *stun.Message, key stun.MessageIntegrity, kind stun.MessageType, what stun.Setter) []byte {
	answer, err := stun.Build(stun.NewTransactionIDSetter(req.TransactionID), kind, what, key, stun.Fingerprint)
	if err != nil {
		return nil
	}
	return answer.Raw
}

// refuseCheck answers who has not shown that it knows the password.
func refuseCheck(req *stun.Message, code stun.ErrorCode, unknown stun.UnknownAttributes) []byte {
	list := []stun.Setter{stun.NewTransactionIDSetter(req.TransactionID), stun.BindingError, code}
	if len(unknown) > 0 {
		list = append(list, unknown)
	}
	answer, err := stun.Build(append(list, stun.Fingerprint)...)
	if err != nil || len(answer.Raw) > 2*len(req.Raw) { // not to be used against others
		return nil
	}
	return answer.Raw
}
