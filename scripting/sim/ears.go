package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"

	"tandem/media/codec"
	"tandem/media/hear"
	"tandem/media/rtp"
	"tandem/media/wav"
)

const rate = 8000 // of what is heard

// enough is how much of a prompt tells it from the others.
const enough = time.Second

// ears keep what each phone hears: the RTP that comes to its address.
type ears struct {
	mu    sync.Mutex
	heard map[netip.AddrPort][]int16
}

// maxHeard bounds what is kept for one phone, in samples: ten minutes.
const maxHeard = 10 * 60 * rate

// packet takes each datagram of the simulated network. All simulated phones speak µ-law, and
// nothing is lost or changes places there.
func (e *ears) packet(_, to netip.AddrPort, b []byte) {
	h, err := rtp.Parse(b)
	if err != nil || h.PayloadType != 0 {
		return
	}
	payload := h.Payload(b)
	pcm := make([]int16, len(payload))
	codec.DecodeMuLaw(pcm, payload)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.heard == nil {
		e.heard = map[netip.AddrPort][]int16{}
	}
	if len(e.heard[to]) < maxHeard {
		e.heard[to] = append(e.heard[to], pcm...)
	}
}

// since is what came to an address after so many samples, but not more than the last ones,
// and how many came before it.
func (e *ears) since(at netip.AddrPort, from, last int) (heard []int16, before int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.heard[at]
	from = min(max(from, len(all)-last), len(all))
	return append([]int16(nil), all[from:]...), from
}

// prompt reads the beginning of a prompt as it is heard on the telephone.
func prompt(dir string, shipped fs.FS, name string) ([]int16, error) {
	file := "prompts/" + name + ".wav"
	var layers []fs.FS
	if dir != "" {
		layers = append(layers, os.DirFS(dir))
	}
	for _, fsys := range append(layers, shipped) {
		f, err := fsys.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		audio, err := wav.Decode(file, f, time.Hour)
		f.Close()
		if err != nil {
			return nil, err
		}
		pcm := audio.PCM
		if audio.Rate != rate {
			if pcm, err = codec.Resample(pcm, audio.Rate, rate); err != nil {
				return nil, err
			}
		}
		return pcm[:min(len(pcm), int(enough.Seconds()*rate))], nil
	}
	return nil, fmt.Errorf("there is no prompt %q", name)
}

// sounds tells whether a prompt is in what was heard, and where it ends there.
func sounds(heard, sent []int16) (end int, ok bool) {
	if len(heard) < len(sent) {
		return 0, false
	}
	found := hear.Find(heard, sent, rate)
	return max(found.Offset, 0) + len(sent), found.Share >= 0.9
}
