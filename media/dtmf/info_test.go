package dtmf

import (
	"strings"
	"testing"
	"time"
)

func TestParseInfo(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct {
		kind, body string
		want       Key
		ok         bool
	}{
		{InfoRelay, "Signal=5\r\nDuration=160\r\n", Key{Digit: '5', Duration: 160 * ms}, true},
		{InfoRelay, "Signal= #\nDuration= 250", Key{Digit: '#', Duration: 250 * ms}, true},
		{InfoRelay, "Duration=100\r\nsignal=a", Key{Digit: 'A', Duration: 100 * ms}, true},
		{InfoRelay, "Signal=10", Key{Digit: '*'}, true},
		{InfoRelay, "Signal=11\nDuration=-4", Key{Digit: '#'}, true},
		{InfoRelay, "Signal=16", Key{Digit: '!'}, true},
		{InfoRelay, "Signal=1\nSignal=2", Key{Digit: '1'}, true},
		{"Application/DTMF-Relay; charset=utf-8", "Signal=0", Key{Digit: '0'}, true},
		{InfoPlain, "7", Key{Digit: '7'}, true},
		{InfoPlain, " *\r\n", Key{Digit: '*'}, true},
		{InfoPlain, "12", Key{Digit: 'A'}, true},
		{InfoPlain, "", Key{}, false},
		{InfoPlain, "x", Key{}, false},
		{InfoPlain, "05", Key{}, false},
		{InfoPlain, "17", Key{}, false},
		{InfoPlain, "266", Key{}, false},
		{InfoRelay, "Duration=160", Key{}, false},
		{InfoRelay, "Signal=\r\n", Key{}, false},
		{InfoRelay, strings.Repeat("x", 2000) + "\nSignal=1", Key{}, false},
		{"application/sdp", "Signal=5", Key{}, false},
		{"", "5", Key{}, false},
	} {
		got, ok := ParseInfo(c.kind, []byte(c.body))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s %q: %+v, %v, want %+v, %v", c.kind, c.body, got, ok, c.want, c.ok)
		}
	}
}

func TestInfoBodyReadsBack(t *testing.T) {
	t.Parallel()
	for _, digit := range []byte(keys + "!") {
		got, ok := ParseInfo(InfoRelay, InfoBody(digit, 120*time.Millisecond))
		if want := (Key{Digit: digit, Duration: 120 * time.Millisecond}); !ok || got != want {
			t.Errorf("%c: %+v, %v", digit, got, ok)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add(InfoRelay, []byte("Signal=5\r\nDuration=160\r\n"))
	f.Add(InfoPlain, []byte("#"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		if key, ok := ParseInfo(kind, body); ok {
			if _, known := Code(key.Digit); !known || key.Duration < 0 {
				t.Fatalf("%+v", key)
			}
		}
	})
}
