//go:build interop

package interop

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/media/codec"
)

// baresipConfig is all of baresip's set-up but the account: its codecs, sound from a
// file or a tone, what is heard and said dumped to WAV, and a control socket.
const baresipConfig = `poll_method epoll
sip_listen %[4]s:0
net_interface %[4]s
call_max_calls 4
audio_source %[1]s
audio_alert ausine,440
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
jitter_buffer_delay 5-10
rtp_ports 20000-60000
module_path %[2]s
module g711.so
module g722.so
module opus.so
opus_stereo no
opus_sprop_stereo no
module sndfile.so
module aufile.so
module ausine.so
module srtp.so
module dtls_srtp.so
module ice.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:0
snd_path %[3]s
`

// softphone is a running baresip.
type softphone struct {
	*process
	dir  string
	ctrl net.Conn
	in   *namespace // nil: this machine's network

	mu     sync.Mutex
	events []phoneEvent
}

// phoneEvent is what baresip tells on its control socket.
type phoneEvent struct {
	Event bool   `json:"event"`
	Type  string `json:"type"`
	Param string `json:"param"`
	Peer  string `json:"peeruri"`

	Response bool   `json:"response"`
	OK       bool   `json:"ok"`
	Data     string `json:"data"`
}

// newSoftphone starts a baresip without an account. In each call it says from
// the beginning what it is given, 8 kHz mono; without that it is silent.
func newSoftphone(t *testing.T, says []int16) *softphone {
	t.Helper()
	return newSoftphoneIn(t, nil, "127.0.0.1", says)
}

// newSoftphoneIn is newSoftphone at an address of another network.
func newSoftphoneIn(t *testing.T, in *namespace, address string, says []int16) *softphone {
	t.Helper()
	dir := t.TempDir()
	if says == nil {
		says = make([]int16, 60*phoneRate)
	}
	microphone := filepath.Join(dir, "microphone.wav")
	writeWAV(t, microphone, says)
	config := fmt.Sprintf(baresipConfig, "aufile,"+microphone, baresipModules(t), dir, address)
	writeFile(t, filepath.Join(dir, "config"), config)
	writeFile(t, filepath.Join(dir, "accounts"), "")
	s := &softphone{process: launchIn(t, in, dir, "baresip", "-f", dir, "-s"), dir: dir, in: in}
	s.connect(t)
	return s
}

// speaksAt writes what the phone says at the rate of its codec: this baresip resamples no
// files. It holds for the calls that follow.
func (s *softphone) speaksAt(t *testing.T, says []int16, rate int) {
	t.Helper()
	pcm, err := codec.Resample(says, phoneRate, rate)
	if err != nil {
		t.Fatal(err)
	}
	writeWAVAt(t, filepath.Join(s.dir, "microphone.wav"), pcm, rate)
}

// baresipModules finds the folder of baresip's modules, which each
// architecture of Debian may place elsewhere.
func baresipModules(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(filepath.Join(pattern, "g711.so")); len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	t.Fatal("baresip's modules are nowhere below /usr/lib")
	return ""
}

// connect finds baresip's control socket among its listening ones: the one that
// answers a command.
func (s *softphone) connect(t *testing.T) {
	t.Helper()
	const listening = "0A"
	eventually(t, "baresip answers on its control socket", func() bool {
		if !s.running() {
			t.Fatal("baresip has ended")
		}
		return slices.ContainsFunc(bound(s.cmd.Process.Pid, "tcp", listening), s.tryControl)
	})
	t.Cleanup(func() { s.ctrl.Close() })
}

func (s *softphone) tryControl(addr netip.AddrPort) bool {
	dial := func() (net.Conn, error) { return net.DialTimeout("tcp", addr.String(), time.Second) }
	if s.in != nil {
		dial = func() (net.Conn, error) { return s.in.dial("tcp", addr.String()) }
	}
	conn, err := dial()
	if err != nil {
		return false
	}
	io.WriteString(conn, netstring(`{"command":"about"}`))
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	r := bufio.NewReader(conn)
	if _, err := readNetstring(r); err != nil {
		conn.Close()
		return false
	}
	conn.SetReadDeadline(time.Time{})
	s.ctrl = conn
	go s.listen(r)
	return true
}

func (s *softphone) listen(r *bufio.Reader) {
	for {
		body, err := readNetstring(r)
		if err != nil {
			return
		}
		var e phoneEvent
		if json.Unmarshal(body, &e) == nil {
			s.mu.Lock()
			s.events = append(s.events, e)
			s.mu.Unlock()
		}
	}
}

func netstring(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }

func readNetstring(r *bufio.Reader) ([]byte, error) {
	digits, err := r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(digits, ":"))
	if err != nil || n < 0 || n > 1<<20 {
		return nil, fmt.Errorf("netstring of length %q", digits)
	}
	body := make([]byte, n+1) // and the comma
	_, err = io.ReadFull(r, body)
	return body[:n], err
}

// command gives baresip one of its commands, such as dial.
func (s *softphone) command(t *testing.T, name, params string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"command": name, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s.ctrl, netstring(string(body))); err != nil {
		t.Fatalf("baresip %s: %v", name, err)
	}
}

// account is who a softphone is.
type account struct {
	user, password string
	domain         netip.AddrPort
	transport      string // "udp" when empty
	register       bool
	codecs         string // "pcma" alone, for instance; both of G.711 when empty
	media          string // parameters such as ";mediaenc=srtp"
}

// login makes baresip the user of an account; with register, it waits until the
// registrar has said yes.
func (s *softphone) login(t *testing.T, a account) {
	t.Helper()
	transport, regint := a.transport, 0
	if transport == "" {
		transport = "udp"
	}
	if a.register {
		regint = 300
	}
	codecs := ";audio_codecs=" + cmp.Or(a.codecs, "pcmu,pcma")
	s.command(t, "uanew", fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_pass=%s;regint=%d;answermode=auto%s%s",
		a.user, a.domain, transport, a.password, regint, codecs, a.media))
	if a.register {
		s.await(t, "REGISTER_OK")
	}
}

// call dials and waits for the answer.
func (s *softphone) call(t *testing.T, uri string) {
	t.Helper()
	s.command(t, "dial", uri)
	s.await(t, "CALL_ESTABLISHED")
}

// await waits for an event of that type and returns it.
func (s *softphone) await(t *testing.T, kind string) phoneEvent {
	t.Helper()
	return s.awaitAfter(t, 0, kind)
}

// awaitAfter waits for an event of that type among those after the first n.
func (s *softphone) awaitAfter(t *testing.T, n int, kind string) phoneEvent {
	t.Helper()
	var found phoneEvent
	eventually(t, "baresip tells "+kind, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.IndexFunc(s.events[n:], func(e phoneEvent) bool { return e.Type == kind })
		if i >= 0 {
			found = s.events[n+i]
		}
		return i >= 0
	})
	return found
}

// told counts the events so far, for awaitAfter.
func (s *softphone) told() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// hears waits until so much sound has come from the far end.
func (s *softphone) hears(t *testing.T, d time.Duration) {
	t.Helper()
	s.lasts(t, "dec", d)
}

// says waits until the phone has said so much: time passes here too when the
// far end is silent.
func (s *softphone) says(t *testing.T, d time.Duration) {
	t.Helper()
	s.lasts(t, "enc", d)
}

func (s *softphone) lasts(t *testing.T, way string, d time.Duration) {
	t.Helper()
	const bytesPerSecond = 2 * phoneRate
	want := int64(d.Seconds() * bytesPerSecond)
	eventually(t, fmt.Sprintf("baresip's %soded sound lasts %v", way, d), func() bool {
		info, err := os.Stat(s.dump(way))
		return err == nil && info.Size() > want
	})
}

// heard hangs up and returns what came from the far end, as 8 kHz mono, once
// baresip has finished the file.
func (s *softphone) heard(t *testing.T) []int16 {
	t.Helper()
	s.command(t, "hangup", "")
	s.await(t, "CALL_CLOSED")
	var samples []int16
	var rate int
	eventually(t, "baresip has closed its recording", func() bool {
		var err error
		samples, rate, err = readWAV(s.dump("dec"))
		return err == nil && len(samples) > 0
	})
	samples, err := codec.Resample(samples, rate, phoneRate)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// dump is where baresip writes what it hears (decoded, "dec") and says (encoded,
// "enc") in its one call.
func (s *softphone) dump(way string) string {
	dumps, _ := filepath.Glob(filepath.Join(s.dir, "dump-*-"+way+".wav"))
	if len(dumps) != 1 {
		return ""
	}
	return dumps[0]
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
