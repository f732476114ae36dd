package phone

import (
	"strings"
	"testing"
	"time"

	"tandem/b2bua/transport"
)

func TestRungs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		dir  transport.Direction
		msg  string
		want string
	}{
		{transport.Out, "INVITE sip:700@127.0.0.1 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n", "    0.004  |-- INVITE (sdp) ----------------->|"},
		{transport.In, "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n", "    0.004  |<------------------- 100 Trying --|"},
		{transport.In, "SIP/2.0 200 OK\r\ncseq : 2  BYE\r\n\r\n", "    0.004  |<----------------- 200 OK (BYE) --|"},
		{transport.In, "SIP/2.0 404 " + strings.Repeat("no ", 50) + "\r\n\r\n", "    0.004  |<-------- 404 no no no no no no --|"},
	}
	for _, tt := range tests {
		got := rung(4*time.Millisecond, tt.dir, rungLabel([]byte(tt.msg)))
		if got != tt.want {
			t.Errorf("%.30q:\n%s, want\n%s", tt.msg, got, tt.want)
		}
	}
	for _, msg := range []string{"\r\n\r\n", "", "x"} {
		if got := rungLabel([]byte(msg)); got != "" {
			t.Errorf("%q is drawn as %q", msg, got)
		}
	}
}

func FuzzRung(f *testing.F) {
	f.Add([]byte("SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\nv=0"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		label := rungLabel(msg)
		if label == "" {
			return
		}
		line := rung(time.Second, transport.In, label)
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || len(line) != len("    1.000  ||")+ladderWidth {
			t.Errorf("%q is drawn as %q", msg, line)
		}
	})
}
