package b2bua

import (
	"context"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/registrar"
	"tandem/b2bua/transaction"
)

// register serves REGISTER, which is always challenged (RFC 3261 §10.3).
func (s *Server) register(tx *transaction.Server) {
	if scheme := tx.Request().To().Address.Scheme; scheme != "sip" && scheme != "sips" && scheme != "tel" {
		refuse(400, "To Is No Address of Record").respond(tx, dialog.NewTag()) // RFC 3261 §10.3, RFC 4475 §3.3.4
		return
	}
	s.authenticate(tx, func(user string, p *problem) {
		req := tx.Request()
		if p == nil && numberOf(&req.To().Address) != user {
			s.security("foreign-registration", tx.Flow(), "user", user, "to", req.To().Address.User)
			p = refuse(403, "")
		}
		if p != nil {
			p.respond(tx, dialog.NewTag())
			return
		}
		s.askRegister(tx, user, func(p *problem) {
			if p != nil {
				p.respond(tx, dialog.NewTag())
				return
			}
			s.bind(tx, user)
		})
	})
}

// askRegister lets scripts decide about a REGISTER, where one wants to.
func (s *Server) askRegister(tx *transaction.Server, user string, then func(*problem)) {
	if !s.asks("on_register") {
		then(nil)
		return
	}
	r := registrationOf(tx, user)
	asked := s.ask(func(ctx context.Context) {
		code, err := s.o.Hooks.Register(ctx, r)
		switch {
		case err != nil:
			s.o.Log.Error("on_register failed", "user", user, "err", err)
			then(unavailable(retryAsking))
		case code >= 300 && code < 700:
			s.o.Log.Info("registration refused by a script", "user", user, "code", code, sourceOf(tx.Flow()))
			then(refuse(code, ""))
		default:
			then(nil)
		}
	}, func() { then(refuse(500, "")) })
	if !asked {
		then(unavailable(retryAsking))
	}
}

func registrationOf(tx *transaction.Server, user string) Registration {
	req := tx.Request()
	r := Registration{User: user, Source: sourceFacts(tx.Flow()), UserAgent: agentOf(req)}
	for _, h := range req.GetHeaders("contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		if c.Address.Wildcard {
			r.Contacts = append(r.Contacts, "*")
			continue
		}
		r.Contacts = append(r.Contacts, c.Address.String())
		r.Expires = max(r.Expires, registrar.Asked(c, req))
	}
	return r
}

// bind does what the REGISTER asks for and says what is bound then.
func (s *Server) bind(tx *transaction.Server, user string) {
	req := tx.Request()
	code, contacts, err := s.o.Registrar.Register(user, req, tx.Flow())
	if err != nil {
		s.o.Log.Info("registration refused", "user", user, "code", code, "err", err, sourceOf(tx.Flow()))
	}
	res := transaction.NewResponse(req, code, Phrase(code), dialog.NewTag())
	switch code {
	case 200:
		s.bound(res, req, contacts)
	case 423:
		res.AppendHeader(sip.NewHeader("Min-Expires", strconv.Itoa(int(s.o.Registrar.MinExpires().Seconds()))))
	case 503:
		res.AppendHeader(sip.NewHeader("Retry-After", "30"))
	}
	_ = tx.Respond(res)
}

// bound fills the 200 of a REGISTER (RFC 3261 §10.3 step 8).
func (s *Server) bound(res *sip.Response, req *sip.Request, contacts []registrar.Contact) {
	now := s.o.Clock.Now()
	for _, c := range contacts {
		res.AppendHeader(c.Header(now))
	}
	res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))) // RFC 3261 §20.17
	if registrar.SupportsPath(req) {
		for _, p := range headersOf(req, "Path") {
			res.AppendHeader(sip.NewHeader("Path", p)) // RFC 3327 §5.3: so that the phone knows
		}
	}
	for _, u := range s.o.ServiceRoute { // RFC 3608 §6.3
		res.AppendHeader(sip.NewHeader("Service-Route", "<"+u+">"))
	}
	res.AppendHeader(sip.NewHeader("Supported", registering))
	if registrar.Outbound(req) {
		// RFC 5626 §6: it tells the phone that its flows are kept apart, and §4.4 how often
		// the network is to see it.
		res.AppendHeader(sip.NewHeader("Require", "outbound"))
		res.AppendHeader(sip.NewHeader("Flow-Timer", strconv.Itoa(int(flowTimer/time.Second))))
	}
}

// flowTimer is how often a phone with outbound support shows that its flow is alive.
const flowTimer = 120 * time.Second
