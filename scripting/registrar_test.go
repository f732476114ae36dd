package scripting

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestRegistrarContacts(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		local list = registrar.contacts(call.number)
		for _, c in ipairs(list) do
			log.info(table.concat({ c.uri, c.user_agent, c.expires, c.q, c.source.ip, c.source.transport, time.now() - c.registered }, " "))
		end
		call:reject(#list == 0 and 480 or 486)
	end }`, func(w *world) {
		p := w.phone("1001", true)
		time.Sleep(10 * time.Second)
		if code := w.refused("1001"); code != 486 {
			t.Errorf("%d", code)
		}
		at := strings.TrimPrefix(p.URI(), "sip:1001@")
		ip, _, _ := strings.Cut(at, ":")
		if got, want := says(w.record()), "sip:1001@"+at+" tandem-phone 3590 1 "+ip+" udp 10"; got != want {
			t.Errorf("%q; want %q", got, want)
		}
		if code := w.refused("1002"); code != 480 {
			t.Errorf("%d", code)
		}
		w.record()
	})
}

// A phone that has subscribed hears how many messages wait.
func TestRegistrarNotify(t *testing.T) {
	inWorld(t, `return { on_load = function() registrar.notify("1001", { messages = 1 }) end, on_call = function(call)
		registrar.notify("1001", { messages = 3, heard = 2 })
		call:reject(486)
	end }`, func(w *world) {
		at := netip.MustParseAddrPort("10.0.9.9:5060")
		pc, err := w.net.ListenPacket(at)
		if err != nil {
			t.Fatal(err)
		}
		defer pc.Close()
		heard := make(chan string, 16)
		go func() {
			buf := make([]byte, 8192)
			for {
				n, _, err := pc.ReadFrom(buf)
				if err != nil {
					close(heard)
					return
				}
				heard <- string(buf[:n])
			}
		}()
		send := func(text string) {
			to := netip.MustParseAddrPort(serverAddr)
			if _, err := pc.WriteTo([]byte(strings.ReplaceAll(text, "\n", "\r\n")), addrOf(to)); err != nil {
				t.Fatal(err)
			}
		}
		send("SUBSCRIBE sip:1001@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 10.0.9.9:5060;branch=z9hG4bKs1\nMax-Forwards: 70\n" +
			"From: <sip:1001@10.0.0.1>;tag=s1\nTo: <sip:1001@10.0.0.1>\nCall-ID: s1@10.0.9.9\nCSeq: 1 SUBSCRIBE\n" +
			"Contact: <sip:1001@10.0.9.9:5060>\nEvent: message-summary\nExpires: 3600\nContent-Length: 0\n\n")
		await := func(text string) {
			t.Helper()
			deadline := time.After(time.Minute) // virtual
			for {
				select {
				case m := <-heard:
					if strings.HasPrefix(m, "NOTIFY") {
						via, cseq := line(m, "Via"), line(m, "CSeq")
						send("SIP/2.0 200 OK\n" + via + "\n" + line(m, "From") + "\n" + line(m, "To") + "\n" + line(m, "Call-ID") + "\n" + cseq + "\nContent-Length: 0\n\n")
					}
					if strings.Contains(m, text) {
						return
					}
				case <-deadline:
					t.Fatalf("no %q", text)
				}
			}
		}
		await("Voice-Message: 1/0") // before there was a server
		w.refused("700")
		w.record()
		await("Voice-Message: 3/2")
	})
}

// line is a header of a message as it stands there.
func line(m, name string) string {
	for l := range strings.SplitSeq(m, "\r\n") {
		if strings.HasPrefix(l, name+":") {
			return l
		}
	}
	return ""
}

// Scripts see the calls of others, and can end them.
func TestCalls(t *testing.T) {
	inWorld(t, `return { on_call = function(call)
		if call.number == "wait" then call:answer() call:sleep(3600) return end
		local all = calls.list()
		local other = all[2]
		log.info(table.concat({ #all, all[1].id == call.id and "me" or "?", other.number, other.state, other.from.user, tostring(other.user), other.source.transport, time.now() - other.answered }, " "))
		log.info(tostring(calls.get("nothing")) .. " " .. calls.get(other.id).id:len())
		log.info(tostring(other:hangup()) .. " " .. tostring(select(3, pcall(other.play, other, "nowhere"))))
		call:sleep(1)
		log.info(#calls.list() .. " " .. tostring(select(2, other:hangup())))
		call:reject(486)
	end }`, func(w *world) {
		c := w.caller("wait")
		time.Sleep(4 * time.Second)
		w.refused("look")
		w.ended(c)
		records := map[string]string{}
		for range 2 {
			r := w.record()
			records[r.Call.ToUser] = says(r)
			if r.Call.ToUser == "wait" && r.Call.ReleasedBy != "system" {
				t.Errorf("%+v", r.Call)
			}
		}
		for _, want := range []string{"2 me wait answered alice nil udp 4\nnil ", "\ntrue ", "not found\n1 hangup"} {
			if got := records["look"]; !strings.Contains(got, want) {
				t.Errorf("%q; want %q in it", got, want)
			}
		}
	})
}

func addrOf(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }
