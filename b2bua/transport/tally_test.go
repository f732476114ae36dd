package transport

import (
	"slices"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestTally(t *testing.T) {
	t.Parallel()
	var rx, tx tally
	rx.message(&sip.Request{Method: "INVITE"})
	rx.message(&sip.Request{Method: "NONSENSE"})
	rx.message(&sip.Request{Method: "MORENONSENSE"})
	rx.message(&sip.Response{StatusCode: 486})
	rx.message(&sip.Response{StatusCode: 99999})
	for _, line := range []string{"SIP/2.0 200 OK\r\n", "SIP/2.0 200 Fine\r\n", "BYE sip:a@b SIP/2.0\r\n", "\r\n\r\n", "SIP/2.0 ", "SIP/2.0 2", "x", ""} {
		tx.encoded([]byte(line))
	}
	want := []MessageCount{
		{true, "INVITE", 0, 1}, {true, "other", 0, 2}, {true, "", 486, 1},
		{false, "BYE", 0, 1}, {false, "", 200, 2},
	}
	if got := tx.append(rx.append(nil, true), false); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func BenchmarkTally(b *testing.B) {
	var t tally
	line := []byte("PUBLISH sip:a@b SIP/2.0\r\n")
	b.ReportAllocs()
	for b.Loop() {
		t.encoded(line)
	}
}
