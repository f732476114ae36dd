package b2bua

import (
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/transaction"
	"tandem/clock"
)

// minSE is the shortest session interval we take (RFC 4028 §4).
const minSE = 90 * time.Second

// refresh is what two sides agreed on about signs of life (RFC 4028).
type refresh struct {
	interval time.Duration // 0: none are asked for
	ours     bool          // we send them
	told     bool          // the far end knows of timers and is told
	answered bool          // agreed in a response of ours, as the UAS
}

// freshness is a leg's session timer.
type freshness struct {
	refresh
	timer clock.Timer
	wish  time.Duration // what a 422 asked for, 0 if none did
}

func (f *freshness) stop() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// askedRefresh is the UAS's side (RFC 4028 §9): what the 2xx to req will say. ours is the
// interval we want, 0 if timers are turned off.
func askedRefresh(req *sip.Request, ours time.Duration) (refresh, *problem) {
	if ours == 0 {
		return refresh{}, nil
	}
	known := offers(req, "Supported", "timer")
	asked, who, ok := sessionExpires(req)
	if !ok {
		interval := max(ours, seconds(req, "Min-SE"))
		return refresh{interval: interval, ours: !known, told: known, answered: true}, nil
	}
	if asked < minSE {
		if known {
			return refresh{}, refuse(422, "", Header{"Min-SE", strconv.Itoa(int(minSE.Seconds()))})
		}
		asked = minSE
	}
	interval := asked
	if ours < asked && ours >= max(minSE, seconds(req, "Min-SE")) {
		interval = ours
	}
	return refresh{interval: interval, ours: who == "uas" || !known, told: known, answered: true}, nil
}

// headers of the 2xx.
func (r refresh) headers() Headers {
	if r.interval == 0 || !r.told {
		return nil
	}
	se := strconv.Itoa(int(r.interval.Seconds()))
	if r.ours {
		return Headers{{"Session-Expires", se + ";refresher=uas"}}
	}
	return Headers{{"Session-Expires", se + ";refresher=uac"}, {"Require", "timer"}} // RFC 4028 §9
}

// sessionExpires reads the header and its refresher parameter.
func sessionExpires(m headerSource) (d time.Duration, refresher string, ok bool) {
	v, ok := headerOf(m, "Session-Expires")
	if !ok {
		return 0, "", false
	}
	n, params, _ := strings.Cut(v, ";")
	secs, err := strconv.ParseUint(strings.TrimSpace(n), 10, 31)
	if err != nil {
		return 0, "", false
	}
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(strings.TrimSpace(k), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(v))
		}
	}
	return time.Duration(secs) * time.Second, refresher, true
}

// seconds reads a header that is a number of seconds; 0 if it is not.
func seconds(m headerSource, name string) time.Duration {
	v, _ := headerOf(m, name)
	v, _, _ = strings.Cut(v, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// refreshOffer adds what a request of ours asks for (RFC 4028 §7.1).
func (l *Leg) refreshOffer(req *sip.Request) {
	want := l.call().server.o.SessionExpires
	if want == 0 {
		return
	}
	want = max(want, l.fresh.wish)
	value := strconv.Itoa(int(want.Seconds()))
	if l.fresh.interval > 0 { // within the dialog the roles stay (RFC 4028 §7.4)
		value = strconv.Itoa(int(l.fresh.interval.Seconds()))
		value += map[bool]string{true: ";refresher=uac", false: ";refresher=uas"}[l.fresh.ours]
	}
	req.AppendHeader(sip.NewHeader("Session-Expires", value))
	req.AppendHeader(sip.NewHeader("Min-SE", strconv.Itoa(int(max(minSE, l.fresh.wish).Seconds()))))
}

// refreshed reads what a 2xx to a request of ours says (RFC 4028 §7.2).
func (l *Leg) refreshed(res *sip.Response) {
	interval, who, ok := sessionExpires(res)
	if !ok || l.call().server.o.SessionExpires == 0 {
		l.keepFresh(refresh{})
		return
	}
	l.keepFresh(refresh{interval: max(interval, minSE), ours: who != "uas", told: true})
}

// keepFresh starts the timer anew: half the interval when the signs of life are ours to
// send, else until shortly before the session expires (RFC 4028 §10).
func (l *Leg) keepFresh(r refresh) {
	l.fresh.stop()
	l.fresh.refresh = r
	if r.interval == 0 {
		return
	}
	if r.ours {
		l.fresh.timer = l.after(r.interval/2, l.sendRefresh)
		return
	}
	l.fresh.timer = l.after(r.interval-min(32*time.Second, r.interval/3), l.expired)
}

// expired: the far end has given no sign of life.
func (l *Leg) expired() {
	if l.state != legAnswered {
		return
	}
	c := l.call()
	c.note(l.name(), "sip", "the session has expired")
	c.log.Info("the session has expired", "leg", l.name())
	l.by = BySystem
	if l == c.caller {
		c.released(BySystem)
	}
	l.hangup(102) // Q.850 recovery on timer expiry
}

// sendRefresh sends a sign of life: UPDATE where the far end allows it, for it carries no
// offer that could collide; else re-INVITE.
func (l *Leg) sendRefresh() {
	if l.state != legAnswered {
		return
	}
	l.fresh.timer = l.after(l.fresh.interval/2-min(32*time.Second, l.fresh.interval/6), l.expired)
	if !l.allows("UPDATE") {
		l.reoffer(nil)
		return
	}
	req := l.dialog.Request(sip.UPDATE)
	l.capabilities(req)
	l.refreshOffer(req)
	l.request(req, &refreshClient{l})
}

// allows reports whether the far end's last message with an Allow header names a method.
func (l *Leg) allows(method string) bool {
	if l.inbound() {
		return offers(l.server.Request(), "Allow", method)
	}
	return l.answerer.Response != nil && offers(l.answerer.Response, "Allow", method)
}

type refreshClient struct{ l *Leg }

func (r *refreshClient) HandleResponse(_ *transaction.Client, res *sip.Response) {
	if res.StatusCode >= 200 {
		r.l.post(func(*Call) { r.l.refreshAnswered(res) })
	}
}

func (r *refreshClient) HandleEnd(_ *transaction.Client, err error) {
	if err != nil {
		r.l.post(func(*Call) { r.l.expired() })
	}
}

func (l *Leg) refreshAnswered(res *sip.Response) {
	if l.state != legAnswered {
		return
	}
	switch code := res.StatusCode; {
	case code < 300:
		l.dialog.Update(res)
		l.refreshed(res)
	case code == 422: // RFC 4028 §7.3
		l.fresh.wish = seconds(res, "Min-SE")
		l.fresh.interval = max(l.fresh.interval, l.fresh.wish)
		l.sendRefresh()
	case code == 408 || code == 481: // RFC 4028 §10
		l.expired()
	}
}
