package sdp

import (
	"net/netip"
	"reflect"
	"testing"
)

func codec(pt uint8, name string, rate, channels int, fmtp string) Codec {
	return Codec{PayloadType: pt, Name: name, ClockRate: rate, Channels: channels, Fmtp: fmtp}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	pcmu, pcma := codec(0, "PCMU", 8000, 1, ""), codec(8, "PCMA", 8000, 1, "")
	ours := []Codec{codec(111, "opus", 48000, 2, ""), codec(9, "G722", 8000, 1, ""), pcmu, pcma, codec(101, Event, 8000, 1, "0-15"), codec(102, Event, 48000, 1, "0-15")}
	for _, c := range []struct {
		name   string
		theirs []Codec
		prefer Preference
		voice  Codec
		event  Codec
		common int
	}{
		{"their order", []Codec{pcma, pcmu}, PreferTheirs, pcma, Codec{}, 2},
		{"our order", []Codec{pcma, pcmu}, PreferOurs, pcmu, Codec{}, 2},
		{"their payload types", []Codec{codec(96, Event, 8000, 1, "0-11"), pcmu}, PreferOurs, pcmu, codec(96, Event, 8000, 1, "0-11"), 1},
		{"unknown first", []Codec{codec(97, "speex", 16000, 1, ""), codec(99, "", 0, 1, ""), pcma}, PreferTheirs, pcma, Codec{}, 1},
		{"event of the voice's rate", []Codec{codec(120, "OPUS", 48000, 2, "x"), codec(96, Event, 8000, 1, ""), codec(97, Event, 48000, 1, "")}, PreferTheirs,
			codec(120, "OPUS", 48000, 2, "x"), codec(97, Event, 48000, 1, ""), 1},
		{"event of another rate", []Codec{codec(120, "opus", 48000, 2, ""), codec(96, "Telephone-Event", 8000, 1, "")}, PreferTheirs,
			codec(120, "opus", 48000, 2, ""), codec(96, "Telephone-Event", 8000, 1, ""), 1},
		{"event at a rate we do not have", []Codec{pcmu, codec(96, Event, 16000, 1, "")}, PreferTheirs, pcmu, Codec{}, 1},
		{"opus without channels", []Codec{codec(120, "opus", 48000, 1, "")}, PreferTheirs, codec(120, "opus", 48000, 1, ""), Codec{}, 1},
		{"G722 with its true rate", []Codec{codec(9, "G722", 16000, 1, "")}, PreferTheirs, codec(9, "G722", 16000, 1, ""), Codec{}, 1},
		{"stereo PCMU is not PCMU", []Codec{codec(98, "PCMU", 8000, 2, ""), pcma}, PreferTheirs, pcma, Codec{}, 1},
	} {
		got, ok := Choose(c.theirs, ours, c.prefer)
		if !ok || got.Voice != c.voice || got.Event != c.event || len(got.Common) != c.common {
			t.Errorf("%s: %+v, %v", c.name, got, ok)
		}
	}
	for name, theirs := range map[string][]Codec{
		"none":        nil,
		"events only": {codec(101, Event, 8000, 1, "")},
		"noise only":  {codec(13, "CN", 8000, 1, "")},
		"other rate":  {codec(97, "PCMU", 16000, 1, "")},
	} {
		if got, ok := Choose(theirs, append(ours, codec(13, "CN", 8000, 1, "")), PreferTheirs); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAnsweredHasTheirTypesAndOurFmtp(t *testing.T) {
	t.Parallel()
	ours := []Codec{codec(111, "opus", 48000, 2, "useinbandfec=1"), codec(101, Event, 48000, 1, "0-15")}
	c, ok := Choose([]Codec{codec(96, "opus", 48000, 2, "stereo=1"), codec(97, Event, 48000, 1, "0-16")}, ours, PreferTheirs)
	if !ok {
		t.Fatal("nothing in common")
	}
	want := []Codec{codec(96, "opus", 48000, 2, "useinbandfec=1"), codec(97, Event, 48000, 1, "0-15")}
	if got := c.Answered(ours); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if c.Voice.Fmtp != "stereo=1" {
		t.Errorf("the peer's fmtp became %q", c.Voice.Fmtp)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	offer := parsedOffer()
	addr := netip.MustParseAddr("198.51.100.1")
	i, audio := offer.Audio()
	if i != 0 {
		t.Fatalf("audio is stream %d", i)
	}
	answer := Answer(offer, NewOrigin(1, 1, addr), addr, map[int]Media{
		i: {Port: 5000, Codecs: []Codec{codec(8, "PCMA", 8000, 1, "")}, Direction: audio.Direction.Answer(SendRecv)},
		1: {Port: 6000, Codecs: []Codec{codec(31, "H261", 90000, 1, "")}}, // was not offered: port 0
	})
	want := "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n" +
		"m=audio 5000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\n" +
		"m=video 0 RTP/AVP 31\r\na=inactive\r\n" +
		"m=image 0 udptl t38\r\na=inactive\r\n" +
		"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=inactive\r\n"
	if got := string(answer.Marshal()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAudioSkipsWhatWeCannotTake(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte("v=0\no=- 1 1 IN IP4 1.2.3.4\nc=IN IP4 1.2.3.4\nm=video 2 RTP/AVP 31\nm=audio 0 RTP/AVP 0\n" +
		"m=audio 4 RTP/SAVP 0\nm=audio 6 TCP/MSRP *\nm=audio 8 RTP/AVPF 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if i, m := s.Audio(); i != 4 || m.Port != 8 {
		t.Errorf("stream %d: %+v", i, m)
	}
	if i, m := s.Find(func(m *Media) bool { return m.IsSecure() }); i != 2 || m.Port != 4 {
		t.Errorf("secure stream %d: %+v", i, m)
	}
	if i, m := (&Session{}).Audio(); i != -1 || m != nil {
		t.Errorf("no stream: %d %+v", i, m)
	}
}

func TestDirectionAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ offered, want, answer Direction }{
		{SendRecv, SendRecv, SendRecv}, {SendRecv, SendOnly, SendOnly}, {SendRecv, Inactive, Inactive},
		{SendOnly, SendRecv, RecvOnly}, {SendOnly, SendOnly, Inactive}, {SendOnly, RecvOnly, RecvOnly},
		{RecvOnly, SendRecv, SendOnly}, {RecvOnly, RecvOnly, Inactive}, {RecvOnly, SendOnly, SendOnly},
		{Inactive, SendRecv, Inactive}, {Inactive, SendOnly, Inactive},
	} {
		if got := c.offered.Answer(c.want); got != c.answer {
			t.Errorf("offered %v, wanted %v: answered %v, want %v", c.offered, c.want, got, c.answer)
		}
	}
	for d := SendRecv; d <= Inactive; d++ {
		if d.Reverse().Reverse() != d {
			t.Errorf("%v twice reversed is %v", d, d.Reverse().Reverse())
		}
	}
}
