package soundfile

import (
	"fmt"
	"io"
	"time"

	"github.com/thesyncim/gopus"
	"github.com/thesyncim/gopus/container/ogg"
)

// How recordings are encoded: speech at 24 kbit/s a channel, at the least complexity.
const (
	opusFrame   = 20 // ms
	opusBitrate = 24000
	maxPacket   = 1500 // bytes
)

// OpusWriter appends sound to an Ogg/Opus file, a page a packet: whatever happens to the
// process, all but the last 20 ms of what was written plays. It is not safe for concurrent
// use.
type OpusWriter struct {
	file     *ogg.Writer
	enc      *gopus.Encoder
	rate     int
	channels int
	frame    []int16 // interleaved, of which
	have     int     // are filled
	packet   [maxPacket]byte
	frames   int64 // samples of each channel that the file holds
	skip     int64 // samples at opusClock that the encoder begins with and players drop
}

// NewOpusWriter writes the headers. Rates are 8000, 16000 and 48000 Hz; samples of two
// channels are interleaved.
func NewOpusWriter(w io.Writer, rate, channels int) (*OpusWriter, error) {
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{SampleRate: rate, Channels: channels, Application: gopus.ApplicationVoIP})
	if err == nil {
		err = enc.SetBitrate(opusBitrate * channels)
	}
	if err == nil {
		err = enc.SetComplexity(0)
	}
	if err == nil {
		err = enc.SetFrameSize(rate * opusFrame / 1000)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot record %d channels of Opus at %d Hz: %w", channels, rate, err)
	}
	skip := enc.Lookahead() * opusClock / rate
	file, err := ogg.NewWriterWithConfig(w, ogg.WriterConfig{
		SampleRate: uint32(rate), Channels: uint8(channels), PreSkip: uint16(skip),
	})
	if err != nil {
		return nil, fmt.Errorf("writing the header: %w", err)
	}
	return &OpusWriter{file: file, enc: enc, rate: rate, channels: channels, skip: int64(skip),
		frame: make([]int16, rate*opusFrame/1000*channels)}, nil
}

// Write appends samples. Less than 20 ms waits for what follows, or for Close.
func (w *OpusWriter) Write(pcm []int16) error {
	if len(pcm)%w.channels != 0 {
		return fmt.Errorf("%d samples for %d channels", len(pcm), w.channels)
	}
	for len(pcm) > 0 {
		n := copy(w.frame[w.have:], pcm)
		w.have += n
		pcm = pcm[n:]
		w.frames += int64(n / w.channels)
		if w.have == len(w.frame) {
			if err := w.put(opusFrame * opusClock / 1000); err != nil {
				return err
			}
		}
	}
	return nil
}

// put encodes the frame; so many of its samples, at opusClock, count.
func (w *OpusWriter) put(samples int) error {
	w.have = 0
	n, err := w.enc.EncodeInt16(w.frame, w.packet[:])
	if err != nil {
		return fmt.Errorf("encoding sound: %w", err)
	}
	if err := w.file.WritePacket(w.packet[:n], samples); err != nil {
		return fmt.Errorf("writing sound: %w", err)
	}
	return nil
}

// Close writes what waits and the end of the file, which says how much of the last packet
// counts (RFC 7845 §4.4). It does not close the file that lies below.
func (w *OpusWriter) Close() error {
	end := w.skip + w.frames*opusClock/int64(w.rate)
	for {
		left := end - int64(w.file.GranulePos())
		if left <= 0 {
			break
		}
		clear(w.frame[w.have:])
		if err := w.put(int(min(left, opusFrame*opusClock/1000))); err != nil {
			return err
		}
	}
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("writing the end: %w", err)
	}
	return nil
}

// Frames is the number of samples of each channel that have been written.
func (w *OpusWriter) Frames() int64 { return w.frames }

// Duration is how long the file plays.
func (w *OpusWriter) Duration() time.Duration {
	return time.Duration(w.frames) * time.Second / time.Duration(w.rate)
}
