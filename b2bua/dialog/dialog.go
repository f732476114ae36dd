// Package dialog holds the state of SIP dialogs (RFC 3261 §12): who the two
// parties are, where the next request goes, which sequence numbers were used.
// It does no I/O and takes no locks: a Dialog belongs to whoever owns the call.
package dialog

import (
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"
)

var (
	// ErrMalformed says that a message lacks what a dialog is made of; a request is answered 400.
	ErrMalformed = errors.New("dialog: message cannot create a dialog")
	// ErrOutOfOrder says that a request's CSeq is lower than one already seen; it is answered 500.
	ErrOutOfOrder = errors.New("dialog: request out of order")
)

// maxForwards is what a user agent starts with, RFC 3261 §8.1.1.6.
const maxForwards = 70

// ID names a dialog as this side sees it, RFC 3261 §12. It is comparable and serves as a map key.
type ID struct{ CallID, LocalTag, RemoteTag string }

// party is one end as From and To name it; its tag stands in the ID.
type party struct {
	display string
	uri     sip.Uri
}

// Dialog is one dialog, early or confirmed. It is not safe for concurrent use.
type Dialog struct {
	id            ID
	local, remote party
	target        sip.Uri
	routes        []sip.Uri
	localSeq      uint32
	remoteSeq     uint32
	remoteSeqSeen bool
	confirmed     bool
}

// NewUAS makes the dialog that a response with localTag in its To creates for
// req, RFC 3261 §12.1.1. It is early until Confirm.
func NewUAS(req *sip.Request, localTag string) (*Dialog, error) {
	from, to, callID, cseq := req.From(), req.To(), req.CallID(), req.CSeq()
	if from == nil || to == nil || callID == nil || cseq == nil {
		return nil, fmt.Errorf("%w: From, To, Call-ID or CSeq is missing", ErrMalformed)
	}
	contact := firstContact(req)
	if contact == nil && FromTag(req) == "" {
		contact = &sip.ContactHeader{Address: from.Address} // RFC 2543 §6.13: From stands in for it
	}
	if !usable(contact) {
		return nil, fmt.Errorf("%w: no SIP URI in Contact", ErrMalformed)
	}
	return &Dialog{
		id:            ID{CallID: string(*callID), LocalTag: localTag, RemoteTag: FromTag(req)},
		local:         party{to.DisplayName, *to.Address.Clone()},
		remote:        party{from.DisplayName, *from.Address.Clone()},
		target:        *contact.Address.Clone(),
		routes:        recordRoute(req),
		remoteSeq:     cseq.SeqNo,
		remoteSeqSeen: true,
	}, nil
}

// NewUAC makes the dialog that res, a 1xx with a To-tag or a 2xx, creates for
// our request req, RFC 3261 §12.1.2. A 2xx makes it confirmed. A response
// without a Contact leaves the Request-URI as the remote target: many 180s lack
// one, and a 2xx without one must still get its ACK and BYE.
func NewUAC(req *sip.Request, res *sip.Response) (*Dialog, error) {
	from, to, callID, cseq := req.From(), res.To(), req.CallID(), req.CSeq()
	if from == nil || to == nil || callID == nil || cseq == nil {
		return nil, fmt.Errorf("%w: From, To, Call-ID or CSeq is missing", ErrMalformed)
	}
	// RFC 3261 §12.1.2: a 2xx without a tag comes from an RFC 2543 element and counts as an empty one.
	remoteTag := ToTag(res)
	if remoteTag == "" && !res.IsSuccess() {
		return nil, fmt.Errorf("%w: %d without a To-tag", ErrMalformed, res.StatusCode)
	}
	d := &Dialog{
		id:        ID{CallID: string(*callID), LocalTag: FromTag(req), RemoteTag: remoteTag},
		local:     party{from.DisplayName, *from.Address.Clone()},
		remote:    party{to.DisplayName, *to.Address.Clone()},
		target:    *req.Recipient.Clone(),
		routes:    reversed(recordRoute(res)),
		localSeq:  cseq.SeqNo,
		confirmed: res.IsSuccess(),
	}
	d.Retarget(firstContact(res))
	return d, nil
}

// ID is the dialog's name as this side sees it.
func (d *Dialog) ID() ID { return d.id }

// RemoteTarget is the URI that requests are addressed to, from the peer's last Contact.
func (d *Dialog) RemoteTarget() sip.Uri { return *d.target.Clone() }

// RouteSet is the list of proxies to pass, nearest first.
func (d *Dialog) RouteSet() []sip.Uri { return cloneUris(d.routes) }

// LocalURI is our address as From (or To) carries it in this dialog.
func (d *Dialog) LocalURI() sip.Uri { return *d.local.uri.Clone() }

// RemoteURI is the peer's address as To (or From) carries it in this dialog.
func (d *Dialog) RemoteURI() sip.Uri { return *d.remote.uri.Clone() }

// LocalSeq is the CSeq number of the last request made by Request; 0 before the first of a UAS.
func (d *Dialog) LocalSeq() uint32 { return d.localSeq }

// RemoteSeq is the highest CSeq number received; ok is false before the first request of the peer.
func (d *Dialog) RemoteSeq() (seq uint32, ok bool) { return d.remoteSeq, d.remoteSeqSeen }

// Confirm ends the early state: our 2xx was sent.
func (d *Dialog) Confirm() { d.confirmed = true }

// Confirmed tells whether a 2xx has confirmed the dialog.
func (d *Dialog) Confirmed() bool { return d.confirmed }

// Update takes over what a response to one of our requests changes. The 2xx
// that confirms an early dialog sets the route set anew, RFC 3261 §13.2.2.4;
// later the route set stays as it is and only the target moves (§12.2.1.2).
func (d *Dialog) Update(res *sip.Response) {
	cseq := res.CSeq()
	if cseq == nil || !refreshesTarget(cseq.MethodName) {
		return
	}
	switch {
	case res.IsSuccess():
		if !d.confirmed && cseq.MethodName == sip.INVITE {
			d.routes = reversed(recordRoute(res))
			d.confirmed = true
		}
		d.Retarget(firstContact(res))
	case res.IsProvisional() && res.GetHeader("RSeq") != nil:
		// RFC 6141 §4.7: a reliable provisional response refreshes the target, too.
		d.Retarget(firstContact(res))
	}
}

// Retarget moves the remote target to contact, RFC 3261 §12.2. A nil, `*` or
// non-SIP contact changes nothing.
func (d *Dialog) Retarget(contact *sip.ContactHeader) {
	if usable(contact) {
		d.target = *contact.Address.Clone()
	}
}

// Receive checks and keeps the CSeq of a request within the dialog, RFC 3261
// §12.2.2. ACK and CANCEL carry the number of the INVITE and are never out of order.
func (d *Dialog) Receive(req *sip.Request) error {
	if req.IsAck() || req.IsCancel() {
		return nil
	}
	cseq := req.CSeq()
	if cseq == nil {
		return fmt.Errorf("%w: no CSeq", ErrOutOfOrder)
	}
	if d.remoteSeqSeen && cseq.SeqNo < d.remoteSeq {
		return fmt.Errorf("%w: CSeq %d after %d", ErrOutOfOrder, cseq.SeqNo, d.remoteSeq)
	}
	d.remoteSeq, d.remoteSeqSeen = cseq.SeqNo, true
	return nil
}

// refreshesTarget tells which requests may move the remote target: RFC 3261
// §12.2 (INVITE), RFC 3311 §5.1 (UPDATE), RFC 3515 §2.4.1 (REFER), RFC 6665 §4.4.1 (the rest).
func refreshesTarget(m sip.RequestMethod) bool {
	switch m {
	case sip.INVITE, sip.UPDATE, sip.REFER, sip.SUBSCRIBE, sip.NOTIFY:
		return true
	}
	return false
}
