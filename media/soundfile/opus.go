package soundfile

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/thesyncim/gopus"
	"github.com/thesyncim/gopus/container/ogg"

	"tandem/media/wav"
)

// opusClock is what Ogg counts Opus samples with, whatever their rate (RFC 7845 §4), in Hz.
const opusClock = 48000

// longestPacket is how long an Opus packet may be (RFC 6716 §3.2.5).
const longestPacket = 120 * time.Millisecond

// decodeOpus reads an Ogg file of mono or stereo Opus (RFC 7845). One that is cut off, as a
// crash leaves it, plays up to there.
func decodeOpus(r io.Reader, most time.Duration) (wav.Audio, error) {
	file, err := ogg.NewReader(r)
	if err != nil {
		return wav.Audio{}, fmt.Errorf("%w: not an Ogg file with Opus: %w", ErrFormat, err)
	}
	if family := file.Header.MappingFamily; family != ogg.MappingFamilyRTP {
		return wav.Audio{}, fmt.Errorf("%w: %d channels of Opus, 1 or 2 are supported", ErrFormat, file.Header.Channels)
	}
	dec, err := gopus.NewDecoder(gopus.DecoderConfig{SampleRate: keepRate, Channels: 1})
	if err != nil {
		return wav.Audio{}, fmt.Errorf("opus: %w", err)
	}
	if err := dec.SetGain(int(file.Header.OutputGain)); err != nil {
		return wav.Audio{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	k, err := newKept(keepRate, most)
	if err != nil {
		return wav.Audio{}, err
	}
	pcm := make([]int16, int(longestPacket/time.Millisecond)*keepRate/1000)
	end := uint64(0)
	for {
		packet, granule, err := file.ReadPacket()
		if err != nil { // a cut page is no news: what was whole plays
			if !errors.Is(err, io.EOF) && len(k.pcm) == 0 {
				return wav.Audio{}, fmt.Errorf("%w: %w", ErrFormat, err)
			}
			return wav.Audio{Rate: keepRate, PCM: trim(k.pcm, file.Header.PreSkip, end)}, nil
		}
		end = max(end, granule)
		n, err := dec.DecodeInt16(packet, pcm)
		if err != nil {
			continue // a broken packet costs its own sound
		}
		if err := k.add(pcm[:n]); err != nil {
			return wav.Audio{}, err
		}
	}
}

// trim drops what the encoder needed to begin, and what it filled its last packet up with
// (RFC 7845 §4.2 and §4.4).
func trim(pcm []int16, preSkip uint16, end uint64) []int16 {
	const step = opusClock / keepRate
	if most := end / step; most < uint64(len(pcm)) && end > 0 {
		pcm = pcm[:most]
	}
	return pcm[min(int(preSkip)/step, len(pcm)):]
}
