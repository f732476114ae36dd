package dtmf

import "testing"

func TestCodes(t *testing.T) {
	t.Parallel()
	for digit, code := range map[byte]uint8{'0': 0, '9': 9, '*': 10, '#': 11, 'A': 12, 'D': 15, '!': 16, 'a': 12, 'd': 15} {
		got, ok := Code(digit)
		if !ok || got != code {
			t.Errorf("code of %c: %d, %v", digit, got, ok)
		}
		back, ok := Digit(code)
		if upper := digit &^ 0x20; !ok || back != digit && back != upper {
			t.Errorf("digit of %d: %c, %v", code, back, ok)
		}
	}
	for _, digit := range []byte{'E', 'e', ',', ' ', 0, 255} {
		if code, ok := Code(digit); ok {
			t.Errorf("code of %q: %d", digit, code)
		}
	}
	if digit, ok := Digit(17); ok {
		t.Errorf("digit of 17: %c", digit)
	}
}

func TestFrequencies(t *testing.T) {
	t.Parallel()
	grid := []string{"123A", "456B", "789C", "*0#D"}
	for row, low := range []float64{697, 770, 852, 941} {
		for col, high := range []float64{1209, 1336, 1477, 1633} {
			l, h, ok := Frequencies(grid[row][col])
			if !ok || l != low || h != high {
				t.Errorf("%c: %v and %v, want %v and %v", grid[row][col], l, h, low, high)
			}
		}
	}
	if _, _, ok := Frequencies('!'); ok {
		t.Error("a flash has no tones")
	}
}

func TestEventPayload(t *testing.T) {
	t.Parallel()
	e := Event{Code: 11, End: true, Volume: 10, Duration: 0x1234}
	b := e.Payload()
	if b != [4]byte{11, 0x8A, 0x12, 0x34} {
		t.Errorf("% x", b)
	}
	if got, ok := ParseEvent(b[:]); !ok || got != e {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := ParseEvent(b[:3]); ok {
		t.Error("3 bytes are no event")
	}
}
