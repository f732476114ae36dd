package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const phoneOffer = `v=0
o=alice 2890844526 2890844527 IN IP4 192.0.2.1
s=call
c=IN IP4 192.0.2.1
b=AS:64
t=0 0
a=sendonly
a=ice-lite
m=audio 49170 RTP/AVP 0 8 97 101
a=rtpmap:97 opus/48000/2
a=fmtp:97 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=maxptime:150
a=rtcp:53020
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
m=video 0 RTP/AVP 31
m=image 6000 udptl t38
c=IN IP6 2001:db8::9
a=T38FaxVersion:0
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=sctp-port:5000
`

func TestParse(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"LF":   phoneOffer,
		"CRLF": strings.ReplaceAll(phoneOffer, "\n", "\r\n"),
		"CR":   strings.ReplaceAll(phoneOffer, "\n", "\r"),
		"end":  strings.TrimSpace(phoneOffer) + "\r\n\r\n",
	} {
		s, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(s, parsedOffer()) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, s, parsedOffer())
		}
	}
}

func parsedOffer() *Session {
	addr := netip.MustParseAddr("192.0.2.1")
	return &Session{
		Origin:     Origin{Username: "alice", ID: "2890844526", Version: "2890844527", Conn: Conn{Addr: addr}},
		Name:       "call",
		Conn:       Conn{Addr: addr},
		Bandwidth:  []string{"AS:64"},
		Direction:  SendOnly,
		Attributes: []Attribute{{Name: "ice-lite"}},
		Media: []Media{{
			Type: "audio", Port: 49170, Proto: "RTP/AVP", Formats: []string{"0", "8", "97", "101"}, Direction: SendOnly,
			Codecs: []Codec{
				{PayloadType: 0, Name: "PCMU", ClockRate: 8000, Channels: 1},
				{PayloadType: 8, Name: "PCMA", ClockRate: 8000, Channels: 1},
				{PayloadType: 97, Name: "opus", ClockRate: 48000, Channels: 2, Fmtp: "useinbandfec=1"},
				{PayloadType: 101, Name: "telephone-event", ClockRate: 8000, Channels: 1, Fmtp: "0-15"},
			},
			PTime: 20, MaxPTime: 150, RTCP: netip.AddrPortFrom(netip.Addr{}, 53020),
			Attributes: []Attribute{{"crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"}},
		}, {
			Type: "video", Proto: "RTP/AVP", Formats: []string{"31"}, Direction: SendOnly,
			Codecs: []Codec{{PayloadType: 31, Channels: 1}},
		}, {
			Type: "image", Port: 6000, Proto: "udptl", Formats: []string{"t38"}, Direction: SendOnly,
			Conn: Conn{Addr: netip.MustParseAddr("2001:db8::9")}, Attributes: []Attribute{{"T38FaxVersion", "0"}},
		}, {
			Type: "application", Port: 9, Proto: "UDP/DTLS/SCTP", Formats: []string{"webrtc-datachannel"}, Direction: SendOnly,
			Attributes: []Attribute{{"sctp-port", "5000"}},
		}},
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	s := parsedOffer()
	for i, want := range []string{"192.0.2.1:49170", "invalid AddrPort", "[2001:db8::9]:6000", "192.0.2.1:9"} {
		if got := s.AddrOf(&s.Media[i]).String(); got != want {
			t.Errorf("stream %d: %s, want %s", i, got, want)
		}
	}
	audio := &s.Media[0]
	if got := s.RTCPAddrOf(audio, false).String(); got != "192.0.2.1:53020" {
		t.Errorf("a=rtcp: %s", got)
	}
	if got := s.RTCPAddrOf(audio, true).String(); got != "192.0.2.1:49170" {
		t.Errorf("multiplexed: %s", got)
	}
	audio.RTCP = netip.AddrPort{}
	if got := s.RTCPAddrOf(audio, false).String(); got != "192.0.2.1:49171" {
		t.Errorf("next port: %s", got)
	}
	audio.RTCP = netip.MustParseAddrPort("[::1]:7")
	if got := s.RTCPAddrOf(audio, false).String(); got != "[::1]:7" {
		t.Errorf("a=rtcp with address: %s", got)
	}
	if audio.Port = 65535; s.RTCPAddrOf(&Media{Port: 65535}, false).IsValid() {
		t.Error("RTCP port 65536")
	}
}

// offerWith is an acceptable description with one audio stream and these further lines.
func offerWith(lines ...string) string {
	return "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0 96 101\n" + strings.Join(lines, "\n")
}

func TestLiberal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		ok   func(s *Session, m *Media) bool
	}{
		"unknown line":          {offerWith("x=whatever"), func(s *Session, m *Media) bool { return true }},
		"no s= and t=":          {"v=0\no=- 1 1 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0", func(s *Session, m *Media) bool { return m.Port == 4 }},
		"c= in the stream only": {"v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0\nc=IN IP4 5.6.7.8", func(s *Session, m *Media) bool { return s.AddrOf(m).String() == "5.6.7.8:4" }},
		"spaces in the user":    {"v=0\no=Mr X 1 1 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4", func(s *Session, m *Media) bool { return s.Origin.Username == "Mr_X" && s.Origin.ID == "1" }},
		"huge numbers in o=":    {"v=0\no=- 99999999999999999999999 7 IN IP4 1.2.3.4\n", func(s *Session, m *Media) bool { return s.Origin.ID == "99999999999999999999999" }},
		"multicast TTL":         {offerWith("c=IN IP4 224.2.1.1/127/3"), func(s *Session, m *Media) bool { return s.ConnOf(m).Addr.IsMulticast() }},
		"host name": {offerWith("c=IN IP6 phone.example"), func(s *Session, m *Media) bool {
			return s.ConnOf(m) == Conn{Name: "phone.example", IP6: true} && !s.AddrOf(m).IsValid()
		}},
		"IPv4 in IPv6":     {offerWith("c=IN IP6 ::ffff:1.2.3.4"), func(s *Session, m *Media) bool { return s.AddrOf(m).String() == "1.2.3.4:4000" }},
		"number of ports":  {strings.Replace(offerWith(), "4000", "4000/2", 1), func(s *Session, m *Media) bool { return m.Port == 4000 && m.Ports == 2 }},
		"fractional ptime": {offerWith("a=ptime:30.0"), func(s *Session, m *Media) bool { return m.PTime == 30 }},
		"broken ptime":     {offerWith("a=ptime:soon"), func(s *Session, m *Media) bool { return m.PTime == 0 }},
		"rtpmap of another type": {offerWith("a=rtpmap:77 X/1"), func(s *Session, m *Media) bool {
			v, ok := m.Get("rtpmap")
			return ok && v == "77 X/1" && len(m.Codecs) == 3
		}},
		"rtpmap twice":         {offerWith("a=rtpmap:96 A/8000", "a=rtpmap:96 B/8000"), func(s *Session, m *Media) bool { return m.Codecs[1].Name == "A" }},
		"fmtp before rtpmap":   {offerWith("a=fmtp:0 x=1", "a=rtpmap:0 Other/8000"), func(s *Session, m *Media) bool { return m.Codecs[0].Name == "Other" && m.Codecs[0].Fmtp == "x=1" }},
		"fmtp twice":           {offerWith("a=fmtp:96 x=1", "a=fmtp:96 y=2"), func(s *Session, m *Media) bool { return m.Codecs[1].Fmtp == "x=1;y=2" }},
		"payload type twice":   {strings.Replace(offerWith(), "0 96 101", "0 96 0 00", 1), func(s *Session, m *Media) bool { return len(m.Codecs) == 2 && len(m.Formats) == 2 }},
		"direction twice":      {offerWith("a=inactive", "a=sendrecv"), func(s *Session, m *Media) bool { return m.Direction == Inactive }},
		"hold by address":      {offerWith("c=IN IP4 0.0.0.0"), func(s *Session, m *Media) bool { return s.Held(m) && m.Direction == SendRecv }},
		"hold by IPv6 address": {offerWith("c=IN IP6 ::"), func(s *Session, m *Media) bool { return s.Held(m) }},
		"hold by direction":    {offerWith("a=sendonly"), func(s *Session, m *Media) bool { return s.Held(m) }},
		"not held":             {offerWith("a=recvonly"), func(s *Session, m *Media) bool { return !s.Held(m) }},
		"rtcp-mux":             {offerWith("a=rtcp-mux"), func(s *Session, m *Media) bool { return m.RTCPMux }},
		"rtcp with address":    {offerWith("a=rtcp:5 IN IP6 ::1"), func(s *Session, m *Media) bool { return m.RTCP.String() == "[::1]:5" }},
		"lower-case profile":   {strings.Replace(offerWith(), "RTP/AVP", "rtp/avp", 1), func(s *Session, m *Media) bool { return m.IsRTP() && len(m.Codecs) == 3 }},
	} {
		s, err := Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := &Media{}
		if len(s.Media) > 0 {
			m = &s.Media[0]
		}
		if !c.ok(s, m) {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	many := func(n int, line string) string { return strings.Repeat(line+"\n", n) }
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "empty"},
		"blank":              {"\r\n\r\n", "empty"},
		"not SDP":            {"hello world", "line 1: not of the form"},
		"v= not first":       {"o=- 1 1 IN IP4 1.2.3.4\nv=0\n", "line 1: v= must come first"},
		"version 1":          {"v=1\n", `line 1: version "1"`},
		"second v=":          {"v=0\nv=0\n", "line 2"},
		"no o=":              {"v=0\ns=-\n", "no o= line"},
		"short o=":           {"v=0\no=- 1 1 IN IP4\n", "line 2: o= has 5 of 6 fields"},
		"bad address in o=":  {"v=0\no=- 1 1 IN IP4 1.2.3\n", "line 2: o=: bad address"},
		"network type":       {offerWith("c=ATM IP4 1.2.3.4"), "line 7"},
		"address family":     {offerWith("c=IN IP5 1.2.3.4"), `line 7: address family "IP5"`},
		"mistyped address":   {offerWith("c=IN IP4 300.1.1.1"), `line 7: bad address "300.1.1.1"`},
		"zone":               {offerWith("c=IN IP6 fe80::1%eth0"), "line 7"},
		"no c=":              {"v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 4 RTP/AVP 0\n", `no c= line for stream 1 ("audio")`},
		"short m=":           {offerWith("m=audio 4 RTP/AVP"), "line 7: m= has 3 of at least 4 fields"},
		"port too high":      {offerWith("m=audio 65536 RTP/AVP 0"), `line 7: port "65536"`},
		"negative port":      {offerWith("m=audio -1 RTP/AVP 0"), "line 7: port"},
		"zero ports":         {offerWith("m=audio 4/0 RTP/AVP 0"), "line 7: number of ports"},
		"payload type 128":   {offerWith("m=audio 4 RTP/AVP 128"), `line 7: payload type "128"`},
		"named payload type": {offerWith("m=audio 4 RTP/AVP PCMU"), "line 7: payload type"},
		"nameless attribute": {offerWith("a=:x"), "line 7: attribute"},
		"NUL":                {offerWith("a=x\x00y"), "line 7: control character"},
		"half a line":        {offerWith("a"), "line 7: not of the form"},
		"giant":              {offerWith(strings.Repeat("a", 70000)), "bytes, at most"},
		"long line":          {offerWith("a=x:" + strings.Repeat("y", 9000)), "line 7: longer than"},
		"many lines":         {"v=0\no=- 1 1 IN IP4 1.2.3.4\n" + many(2000, "x=1"), "line 2001: more than 2000 lines"},
		"many streams":       {offerWith(many(40, "m=audio 4 RTP/AVP 0")), "line 38: more than 32 streams"},
		"many formats":       {offerWith("m=audio 4 RTP/AVP" + strings.Repeat(" 0", 129)), "more than 128 formats"},
		"many attributes":    {offerWith(many(600, "a=x")), "line 519: more than 512 attributes"},
		"many b= lines":      {offerWith(many(600, "b=AS:1")), "line 519: more than 512 b= lines"},
	} {
		_, err := Parse([]byte(c.text))
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", name, err, c.want)
		} else if len(err.Error()) > 200 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

// TestBrokenRtpmap: it does not count; what stands beside it does.
func TestBrokenRtpmap(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"opus", "opus/0", "opus/99999999999999999999", "opus/48000/x", "", "/8000", "a b/8000"} {
		s, err := Parse([]byte(offerWith("a=rtpmap:96 "+broken, "a=rtpmap:0 "+broken, "a=ptime:30")))
		if err != nil {
			t.Errorf("%q: %v", broken, err)
			continue
		}
		m := s.Media[0]
		if len(m.Codecs) != 3 || m.Codecs[1] != static(96) || m.Codecs[0].Name != "PCMU" || m.PTime != 30 {
			t.Errorf("%q: %+v", broken, m)
		}
	}
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("2001:db8::1")
	s := &Session{
		Origin: NewOrigin(7, 8, addr), Conn: Conn{Addr: addr},
		Media: []Media{{
			Type: "audio", Port: 4000, Proto: "RTP/AVP", PTime: 20,
			Codecs: []Codec{{PayloadType: 8, Name: "PCMA", ClockRate: 8000, Channels: 1}, {PayloadType: 101, Name: Event, ClockRate: 8000, Channels: 1, Fmtp: "0-15"}},
		}},
	}
	want := "v=0\r\no=- 7 8 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n" +
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	if got := string(s.Marshal()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMarshalCannotSmuggleLines(t *testing.T) {
	t.Parallel()
	s := &Session{Origin: NewOrigin(1, 1, netip.MustParseAddr("1.2.3.4")), Name: "x\r\nm=audio 1 RTP/AVP 0", Conn: Conn{Addr: netip.MustParseAddr("1.2.3.4")}}
	back, err := Parse(s.Marshal())
	if err != nil || len(back.Media) != 0 || back.Name != "x  m=audio 1 RTP/AVP 0" {
		t.Errorf("%+v, %v", back, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(phoneOffer))
	f.Add([]byte(offerWith("c=IN IP6 phone.example", "a=rtcp:5 IN IP4 1.2.3.4", "a=fmtp:0 a", "a=rtpmap:0 X/1/2", "m=image 9/3 udptl t38", "a=inactive")))
	f.Add([]byte("v=0\r\no=Mr  X 1 1 IN IP4 x.y/3\r\nb=\r\nb=a\tb\r\na=x:\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		text := s.Marshal()
		again, err := Parse(text)
		if len(text) > maxSize || errors.Is(err, ErrMalformed) && strings.Contains(fmt.Sprint(err), "than") {
			return // written out in full, it may pass a limit
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(s, again) {
			t.Fatalf("not stable:\n%+v\n%+v\n%s", s, again, text)
		}
	})
}
