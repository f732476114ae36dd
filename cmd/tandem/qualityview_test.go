package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"tandem/media"
)

func TestQualityView(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json, cells string
		q                 media.Quality
	}{
		{name: "nothing reported", json: `null`, cells: "[- - - - -]"},
		{name: "both ways", q: media.Quality{Expected: 250, Lost: 5, Jitter: 12500 * time.Microsecond, RTT: 48 * time.Millisecond, MOS: 4.1,
			Far: true, FarLost: 0.25, FarJitter: 30 * time.Millisecond, FarMOS: 2.8},
			json:  `{"mos":4.1,"loss":2,"jitter_ms":12.5,"rtt_ms":48,"far":{"mos":2.8,"loss":25,"jitter_ms":30}}`,
			cells: "[4.1 2.0% 12 ms 48 ms MOS 2.8, 25.0% lost, jitter 30 ms]"},
		{name: "a far end that reports nothing", q: media.Quality{Expected: 250, MOS: 4.4},
			json: `{"mos":4.4,"loss":0,"jitter_ms":0,"rtt_ms":null,"far":null}`, cells: "[4.4 0.0% 0 ms - -]"},
		{name: "a far end that says nothing but reports", q: media.Quality{Far: true, FarJitter: 3 * time.Millisecond},
			json: `{"mos":null,"loss":null,"jitter_ms":0,"rtt_ms":null,"far":{"mos":null,"loss":0,"jitter_ms":3}}`, cells: "[- - 0 ms - 0.0% lost, jitter 3 ms]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := qualityView(c.q)
			b, err := json.Marshal(v)
			if err != nil || string(b) != c.json {
				t.Errorf("%s, %v, want %s", b, err, c.json)
			}
			if got := fmt.Sprint(qualityCells(v)); got != c.cells {
				t.Errorf("%s, want %s", got, c.cells)
			}
		})
	}
}
