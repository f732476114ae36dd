package scripting

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"tandem/b2bua/phone"
	"tandem/b2bua/transport"
	"tandem/media"
	"tandem/media/dtmf"
)

// keypad is a phone that presses keys and hears them in one way only.
type keypad struct {
	*phone.Phone
	mode media.DTMF
	mu   sync.Mutex
	told string // by INFO
}

func (w *world) keypad(user string, mode media.DTMF, registered bool) *keypad {
	w.t.Helper()
	k, inAudio := &keypad{mode: mode}, mode
	if mode == media.DTMFInfo { // it has no telephone-events, and hears in the audio what it is not told
		inAudio = media.DTMFInband
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 2, byte(len(w.closers))}), 5060)
	p, err := phone.New(phone.Options{Network: w.net, Media: w.media, User: user, Password: "secret-" + user, DTMF: inAudio, OnRequest: k.request,
		Listen: []transport.Endpoint{{Proto: transport.UDP, Addr: at}}, Server: "sip:" + serverAddr})
	if err != nil {
		w.t.Fatal(err)
	}
	w.closers = append(w.closers, func() { _ = p.Close() })
	if registered {
		if err := p.Register(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
	k.Phone = p
	return k
}

func (k *keypad) request(_ *phone.Call, req *sip.Request) int {
	if req.Method == sip.INFO && k.mode == media.DTMFInfo {
		k.mu.Lock()
		defer k.mu.Unlock()
		if key, ok := dtmf.ParseInfo(req.ContentType().Value(), req.Body()); ok {
			k.told += string(key.Digit)
		}
	}
	return 0
}

// press presses keys in the phone's way, one after the other.
func (k *keypad) press(t *testing.T, c *phone.Call, keys string) {
	t.Helper()
	if k.mode != media.DTMFInfo {
		if err := c.Press(context.Background(), keys); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i, key := range []byte(keys) {
		kind, body := dtmf.InfoRelay, dtmf.InfoBody(key, 100*time.Millisecond)
		if i%2 == 1 {
			kind, body = dtmf.InfoPlain, []byte{key}
		}
		if err := c.Info(context.Background(), kind, body); err != nil {
			t.Fatal(err)
		}
	}
}

// heard is what has come to the phone in its way.
func (k *keypad) heard(c *phone.Call) string {
	if k.mode != media.DTMFInfo {
		return c.Digits()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.told
}

// TestDigitsBetweenAllModes bridges phones that have their digits in different ways. A
// caller is nobody's user here: one that offers no telephone-events is heard in the audio.
func TestDigitsBetweenAllModes(t *testing.T) {
	modes := []media.DTMF{media.DTMFEvents, media.DTMFInfo, media.DTMFInband}
	for _, from := range modes {
		for _, to := range modes {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				inWorld(t, `return { on_call = function(call) call:bridge("user:" .. call.number) end }`, func(w *world) {
					callee := w.keypad(to.String(), to, true)
					calls := w.answers(callee.Phone, 100*time.Millisecond)
					caller := w.keypad("alice", from, false)
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					c, err := caller.Dial(ctx, "sip:"+to.String()+"@"+serverAddr, phone.DialOptions{})
					if err != nil {
						t.Fatal(err)
					}
					b := <-calls
					time.Sleep(time.Second)
					const there, back = "159*0#D11", "77A42#"
					caller.press(t, c, there)
					time.Sleep(5 * time.Second)
					callee.press(t, b, back)
					time.Sleep(5 * time.Second)
					if got := callee.heard(b); got != there {
						t.Errorf("the callee hears %q, want %q", got, there)
					}
					if got := c.Digits(); got != back {
						t.Errorf("the caller hears %q, want %q", got, back)
					}
					w.hangup(c)
					w.ended(b)
					r := w.record()
					if legs := r.Legs; len(legs) != 2 || legs[1].DTMFMode != to.String() || legs[0].DTMFMode != from.String() {
						t.Errorf("the record has %q to %q", r.Legs[0].DTMFMode, r.Legs[1].DTMFMode)
					}
				})
			})
		}
	}
}

// TestSendDTMFInAllModes: what call:send_dtmf and the keys that a script takes are, whatever
// way the phone has.
func TestSendDTMFInAllModes(t *testing.T) {
	for _, mode := range []media.DTMF{media.DTMFEvents, media.DTMFInfo, media.DTMFInband} {
		t.Run(mode.String(), func(t *testing.T) {
			inWorld(t, report(`
				local leg = call:dial("user:" .. call.number)
				local start = time.now()
				say(leg:send_dtmf("12,3#"), time.now() - start >= 1)
				say(leg:gather{ max = 4, timeout = 10 })
				leg:play("silence:1")
				leg:hangup()
			`), func(w *world) {
				k := w.keypad(mode.String(), mode, true)
				calls := w.answers(k.Phone, 100*time.Millisecond)
				done := make(chan struct{})
				go func() { defer close(done); _, _ = w.dial(mode.String()) }()
				b := <-calls
				time.Sleep(5 * time.Second)
				if got := k.heard(b); got != "123#" {
					t.Errorf("heard %q", got)
				}
				k.press(t, b, "4590")
				w.ended(b)
				<-done
				if got := says(w.record()); got != "true true\n4590 max" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}
