//go:build interop

package interop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tandem/media/codec"
)

// What the capture that SIPp plays holds: pcapSpeech in A-law, then pcapKeys by RFC 4733.
const (
	pcapKeys        = "159*0#D7722A"
	pcapSpeechLasts = 4 * time.Second
)

func pcapSpeech() []int16 { return chirp(300, 3300, pcapSpeechLasts) }

// capture is RTP as a sniffer on an Ethernet would have kept it.
type capture struct {
	file      []byte
	at        time.Duration
	sequence  uint16
	timestamp uint32
}

const (
	frame        = 20 * time.Millisecond
	frameSamples = uint32(phoneRate / 50)
)

// writeSpokenKeys writes the capture of a phone that speaks and then presses keys.
func writeSpokenKeys(t *testing.T, name string) {
	t.Helper()
	c := &capture{sequence: 65500, timestamp: 0xFFFF_F000} // both wrap on the way
	// The header of libpcap's format, version 2.4: microseconds, Ethernet.
	c.file = binary.LittleEndian.AppendUint32(c.file, 0xA1B2C3D4)
	c.file = binary.LittleEndian.AppendUint32(c.file, 4<<16|2)
	c.file = append(c.file, make([]byte, 8)...)
	c.file = binary.LittleEndian.AppendUint32(c.file, 65535)
	c.file = binary.LittleEndian.AppendUint32(c.file, 1)
	c.speaks(pcapSpeech())
	for _, key := range []byte(pcapKeys) {
		c.presses(key)
	}
	if err := os.WriteFile(name, c.file, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *capture) speaks(pcm []int16) {
	for first := true; len(pcm) >= int(frameSamples); first = false {
		payload := make([]byte, frameSamples)
		codec.EncodeALaw(payload, pcm[:frameSamples])
		c.rtp(8, first, c.timestamp, payload)
		c.timestamp += frameSamples
		pcm = pcm[frameSamples:]
	}
}

// presses holds a key for 100 ms and lets go of it for as long.
func (c *capture) presses(key byte) {
	code := byte(strings.IndexByte("0123456789*#ABCD", key))
	const steps = 5
	event := func(step int, end byte) {
		payload := binary.BigEndian.AppendUint16([]byte{code, end | 10}, uint16(uint32(step)*frameSamples))
		c.rtp(101, step == 1 && end == 0, c.timestamp, payload)
	}
	for step := 1; step < steps; step++ {
		event(step, 0)
	}
	for range 3 { // RFC 4733 §2.5.1.4: the end is told three times
		event(steps, 0x80)
	}
	c.at += steps*frame - 2*frame
	c.timestamp += 2 * steps * frameSamples
}

// rtp adds a packet, and the time until the next one.
func (c *capture) rtp(kind byte, marker bool, timestamp uint32, payload []byte) {
	if marker {
		kind |= 0x80
	}
	p := binary.BigEndian.AppendUint16([]byte{0x80, kind}, c.sequence)
	p = binary.BigEndian.AppendUint32(p, timestamp)
	p = append(binary.BigEndian.AppendUint32(p, 0x70636170), payload...)
	udp := binary.BigEndian.AppendUint16([]byte{0x20, 0, 0x20, 2}, uint16(8+len(p)))
	udp = append(append(udp, 0, 0), p...)
	host := netip.MustParseAddr("127.0.0.1").As4()
	ip := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(udp)))
	ip = append(ip, 0, 0, 0, 0, 64, 17, 0, 0)
	ip = append(append(append(ip, host[:]...), host[:]...), udp...)
	ethernet := append([]byte{12: 0x08, 13: 0x00}, ip...)
	for _, n := range []int{int(c.at / time.Second), int(c.at % time.Second / time.Microsecond), len(ethernet), len(ethernet)} {
		c.file = binary.LittleEndian.AppendUint32(c.file, uint32(n))
	}
	c.file = append(c.file, ethernet...)
	c.sequence++
	c.at += frame
}

// canPlayCaptures ends the test with a clear word where SIPp cannot: it sends captures
// through a raw socket.
func canPlayCaptures(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("ip4:udp", "127.0.0.1")
	if err != nil {
		t.Fatalf("SIPp plays captures through a raw socket, which needs root or CAP_NET_RAW: %v", err)
	}
	c.Close()
}

// keyTaker records the caller and takes as many keys as the number says that it dialled. More
// would be in the timeline.
const keyTaker = `
return { on_call = function(call)
	call:answer()
	call:start_recording("said.wav")
	local digits, why = call:gather{ max = tonumber(call.number), finish = "", timeout = 20, digit_timeout = 15 }
	call:sleep(2)
	call:stop_recording()
	call.vars.digits, call.vars.why = digits, why
	call:hangup()
end }`

// TestSIPpPlaysACapture: sound and keys come as one stream of packets that no code of ours
// sends; the recording holds the sound and the script has the keys.
func TestSIPpPlaysACapture(t *testing.T) {
	t.Parallel()
	canPlayCaptures(t)
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": keyTaker}})
	sipp(t, "uac_pcap.xml", srv.udp, "-s", strconv.Itoa(len(pcapKeys))).succeeds(t)
	call := srv.finished(t, 1)[0]
	srv.tookKeys(t, call, pcapKeys)
	recording, rate, err := readWAV(filepath.Join(srv.dir, "data", "recordings", "said.wav"))
	if err != nil || rate != phoneRate {
		t.Fatalf("the recording at %d Hz: %v", rate, err)
	}
	holds(t, "the recording", recording, second(pcapSpeech(), 1), second(chirp(3300, 300, pcapSpeechLasts), 1))
	holds(t, "the recording", recording, second(pcapSpeech(), 3), second(chirp(3300, 300, pcapSpeechLasts), 2))
}

// TestSIPpPlaysKeysOfOthers plays the captures that come with SIPp. They are of a phone that
// counts its events' time in sixteenths of a millisecond and repeats the end of each in one
// packet's number.
func TestSIPpPlaysKeysOfOthers(t *testing.T) {
	t.Parallel()
	canPlayCaptures(t)
	if _, err := os.Stat("/usr/share/sip-tester/dtmf_2833_1.pcap"); err != nil {
		t.Fatalf("Debian's package of SIPp (make peers) brings captures: %v", err)
	}
	srv := serve(t, setup{scripts: map[string]string{"50-main.lua": keyTaker}})
	const keys = "123456789*#0"
	sipp(t, "uac_pcap_keys.xml", srv.udp, "-s", strconv.Itoa(len(keys))).succeeds(t)
	srv.tookKeys(t, srv.finished(t, 1)[0], keys)
}

// tookKeys checks which keys the script of a call was given, and which are in its timeline.
func (s *server) tookKeys(t *testing.T, call map[string]any, want string) {
	t.Helper()
	vars, _ := call["vars"].(string)
	if !strings.Contains(vars, `"digits":"`+want+`"`) {
		t.Errorf("the script has the keys %s, want %s", vars, want)
	}
	var told strings.Builder
	for _, e := range s.records(t, `select text from events where kind = 'dtmf' and call_id = ? order by at_ms`, call["id"]) {
		text, _ := e["text"].(string)
		told.WriteString(text)
	}
	if told.String() != want {
		t.Errorf("the timeline has the keys %s, want %s", told.String(), want)
	}
}
