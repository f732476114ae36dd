package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/media/dtmf"
)

// passOn carries INFO or MESSAGE within the dialog to the leg that l talks to, and its
// answer back. Digits in an INFO are taken here.
func (l *Leg) passOn(tx *transaction.Server) {
	req := tx.Request()
	if req.Method == sip.INFO && l.digitsIn(tx) {
		return
	}
	if req.Method == sip.INFO {
		l.call().happened(Happening{Kind: "info", Leg: l, Value: string(req.Body())})
	}
	other := l.call().partner(l)
	switch {
	case other == nil && req.Method == sip.INFO && len(req.Body()) == 0:
		refuse(200, "").respond(tx, "") // RFC 6086 §8.4.2: a sign of life of old phones
		return
	case other == nil && req.Method == sip.INFO:
		refuse(469, "Bad Info Package", Header{"Recv-Info", ""}).respond(tx, "") // RFC 6086 §3.2.1
		return
	case other == nil:
		refuse(405, "", allowHeader()).respond(tx, "")
		return
	}
	out := other.dialog.Request(req.Method)
	for _, name := range []string{"Content-Type", "Content-Disposition", "Info-Package"} {
		if v, ok := headerOf(req, name); ok {
			out.AppendHeader(sip.NewHeader(name, v))
		}
	}
	out.SetBody(req.Body())
	other.request(out, &passedOn{tx})
}

// digitsIn takes a digit that came by INFO; false if the INFO is about something else.
func (l *Leg) digitsIn(tx *transaction.Server) bool {
	req := tx.Request()
	ct, _ := headerOf(req, "Content-Type")
	key, ok := dtmf.ParseInfo(ct, req.Body())
	if !ok {
		return false
	}
	refuse(200, "").respond(tx, "")
	c := l.call()
	c.note(l.name(), "dtmf", l.noted(key.Digit)+" by INFO")
	l.byInfo++
	l.heard(key.Digit)
	if other := c.partner(l); other != nil && other.media != nil {
		other.passKey(key.Digit)
	}
	return true
}

// passedOn answers a request with what the other side answered.
type passedOn struct{ tx *transaction.Server }

func (p *passedOn) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		refuse(res.StatusCode, res.Reason).respond(p.tx, "")
	}
}

func (p *passedOn) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		refuse(408, "").respond(p.tx, "")
	}
}
