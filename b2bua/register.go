package b2bua

import (
	"strconv"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/dialog"
	"tandem/b2bua/transaction"
)

// register serves REGISTER, which is always challenged (RFC 3261 §10.3).
func (s *Server) register(tx *transaction.Server) {
	tag, req := dialog.NewTag(), tx.Request()
	if s := req.To().Address.Scheme; s != "sip" && s != "sips" && s != "tel" {
		refuse(400, "To Is No Address of Record").respond(tx, tag) // RFC 3261 §10.3, RFC 4475 §3.3.4
		return
	}
	user, p := s.authenticate(tx)
	if p != nil {
		p.respond(tx, tag)
		return
	}
	if numberOf(&req.To().Address) != user {
		s.o.Log.Warn("a user tried to register another", "user", user, "to", req.To().Address.User, sourceOf(tx.Flow()))
		refuse(403, "").respond(tx, tag)
		return
	}
	code, contacts, err := s.o.Registrar.Register(user, req, tx.Flow())
	if err != nil {
		s.o.Log.Info("registration refused", "user", user, "code", code, "err", err, sourceOf(tx.Flow()))
	}
	res := transaction.NewResponse(req, code, Phrase(code), tag)
	now := s.o.Clock.Now()
	switch code {
	case 200:
		for _, c := range contacts {
			res.AppendHeader(c.Header(now))
		}
		for _, v := range headersOf(req, "Path") {
			res.AppendHeader(sip.NewHeader("Path", v)) // RFC 3327 §5.3
		}
		res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))) // RFC 3261 §20.17
	case 423:
		res.AppendHeader(sip.NewHeader("Min-Expires", strconv.Itoa(int(s.o.Registrar.MinExpires().Seconds()))))
	}
	_ = tx.Respond(res)
}
