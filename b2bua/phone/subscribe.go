package phone

import (
	"context"
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
)

// subscriptionLasts is what a phone asks for, in seconds. It does not refresh.
const subscriptionLasts = 3600

// Subscribe asks the phone's server for news of an event about the phone's own user, such as
// message-summary (RFC 6665 §4.1). OnRequest gets the NOTIFYs. A refusal is *Rejected.
func (p *Phone) Subscribe(ctx context.Context, event string) error {
	if p.server == nil {
		return errors.New("phone: no server to subscribe at")
	}
	f, err := p.connect(ctx, *p.server)
	if err != nil {
		return err
	}
	self := p.address(*p.server)
	callID, tag, seq := dialog.NewCallID(), dialog.NewTag(), uint32(0)
	p.mu.Lock()
	if p.asked == nil {
		p.asked = map[callKey]bool{}
	}
	p.asked[callKey{callID, tag}] = true // a NOTIFY may come before the answer
	p.mu.Unlock()
	res, err := p.exchange(ctx, func(l *login) *sip.Request {
		req := p.newRequest(sip.SUBSCRIBE, self, self, self, tag, callID)
		seq++
		req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: sip.SUBSCRIBE})
		req.AppendHeader(p.contact(f))
		req.AppendHeader(sip.NewHeader("Event", event))
		req.AppendHeader(sip.NewHeader("Expires", fmt.Sprint(subscriptionLasts)))
		l.addTo(req, nil)
		return req
	}, p.sendOn(f))
	if err == nil && !res.IsSuccess() {
		err = rejected(res)
	}
	return err
}

// subscribed tells whether a NOTIFY belongs to a subscription of ours.
func (p *Phone) subscribed(key callKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[key]
}
