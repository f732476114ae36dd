package b2bua

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/auth"
	"tandem/b2bua/dialog"
	"tandem/b2bua/notifier"
	"tandem/b2bua/transaction"
	"tandem/b2bua/transport"
)

func allowEvents() Header { return Header{"Allow-Events", notifier.AllowEvents} }

// subscribe serves a SUBSCRIBE outside of any dialog (RFC 6665 §4.2.1).
func (s *Server) subscribe(tx *transaction.Server) {
	s.identify(tx, func(id auth.Identity, p *problem) {
		entity := numberOf(&tx.Request().Recipient)
		if p == nil {
			p = s.mayWatch(tx, id, entity)
		}
		if p == nil {
			p = refused(s.events.Subscribe(tx, ownerOf(tx, id), entity))
		}
		if p != nil {
			p.respond(tx, dialog.NewTag())
		}
	})
}

// mayWatch lets users see the lamps of all, and the messages of their own. Trunks are none of
// the house; who is trusted without being a user may see everything.
func (s *Server) mayWatch(tx *transaction.Server, id auth.Identity, entity string) *problem {
	event, _ := headerOf(tx.Request(), "Event")
	event, _, _ = strings.Cut(event, ";")
	private := strings.EqualFold(strings.TrimSpace(event), notifier.MessageSummary)
	switch {
	case entity == "":
		return refuse(404, "")
	case id.User == "" && !id.Trusted, private && id.User != "" && id.User != entity:
		return refuse(403, "")
	}
	return nil
}

// ownerOf is who a subscription counts for: the user, or the address of a trusted source.
func ownerOf(tx *transaction.Server, id auth.Identity) string {
	if id.User != "" {
		return id.User
	}
	return "@" + tx.Flow().Remote().Addr().String()
}

// resubscribe serves what comes within the dialog of a subscription. From where it came before
// it needs no credentials: its tags are known there only. A phone that has moved gives them.
func (s *Server) resubscribe(tx *transaction.Server) {
	f, req := tx.Flow(), tx.Request()
	owner, was, ok := s.events.Holder(dialog.RequestID(req))
	if !ok || req.Method != sip.SUBSCRIBE {
		refuse(481, "").respond(tx, "")
		return
	}
	refresh := func(p *problem) {
		if p == nil {
			p = refused(s.events.Refresh(tx))
		}
		if p != nil {
			p.respond(tx, "")
		}
	}
	here := f == was && !slices.Contains(s.guard.Load().InCall, string(sip.SUBSCRIBE))
	if here || s.acl.Load().Decide(f.Remote().Addr()) == auth.Trusted {
		refresh(nil)
		return
	}
	s.authenticate(tx, func(user string, p *problem) {
		if p == nil && user != owner {
			p = refuse(403, "")
		}
		refresh(p)
	})
}

// refused is the answer that a notifier wants given.
func refused(no *notifier.Refusal) *problem {
	switch {
	case no == nil:
		return nil
	case no.Name == "":
		return refuse(no.Code, "")
	}
	return refuse(no.Code, "", Header{no.Name, no.Value})
}

// shownAs is the address of a user or slot of ours as the peer of f sees it; of "", ourselves.
func (s *Server) shownAs(f transport.Flow, entity string) sip.Uri {
	u := s.address(f, escape(entity))
	if entity == "" {
		return u
	}
	u.UriParams = nil
	if s.o.Domain != "" {
		u.Host, u.Port = s.o.Domain, 0
	}
	return u
}

// NotifyMessages tells the phones of a user how many voice messages wait, heard ones apart
// (RFC 3842). It is remembered for phones that subscribe later, until the server ends.
func (s *Server) NotifyMessages(user string, unheard, heard int) {
	s.events.SetMessages(user, notifier.Messages{New: max(unheard, 0), Old: max(heard, 0)})
}

// NotifyLamp tells whoever watches a name that is no user's, such as a parking slot's, whether
// somebody is there (RFC 4235). id tells several apart.
func (s *Server) NotifyLamp(name, id string, taken bool) {
	d := notifier.Dialog{ID: id, State: notifier.Terminated}
	if taken {
		d.State = notifier.Confirmed
	}
	s.events.SetDialog(name, d)
}

// DropUsers ends the registrations and subscriptions of every user for whom gone holds.
func (s *Server) DropUsers(gone func(user string) bool) {
	s.o.Registrar.DropUsers(gone)
	s.events.DropOwners(func(owner string) bool { return !strings.HasPrefix(owner, "@") && gone(owner) })
}
