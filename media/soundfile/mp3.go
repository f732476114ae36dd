package soundfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hajimehoshi/go-mp3"

	"tandem/media/wav"
)

// isMP3 tells an ID3 tag or the first frame's header: eleven bits set, layer III
// (ISO 11172-3 §2.4.1.3).
func isMP3(start []byte) bool {
	return len(start) >= 3 && (string(start[:3]) == "ID3" || start[0] == 0xFF && start[1]&0xE6 == 0xE2)
}

// decodeMP3 reads MPEG-1 and MPEG-2 layer III. The decoder indexes by what a frame says
// without looking whether it is there; a file that leads it astray is a broken file and
// costs nothing more.
func decodeMP3(r *bufio.Reader, most time.Duration) (audio wav.Audio, err error) {
	defer func() {
		if p := recover(); p != nil {
			audio, err = wav.Audio{}, fmt.Errorf("%w: the MP3 file is broken (%v)", ErrFormat, p)
		}
	}()
	if err := skipTags(r); err != nil {
		return wav.Audio{}, err
	}
	d, err := mp3.NewDecoder(r)
	if err != nil {
		return wav.Audio{}, fmt.Errorf("%w: not an MP3 file that can be read: %w", ErrFormat, err)
	}
	k, err := newKept(d.SampleRate(), most)
	if err != nil {
		return wav.Audio{}, err
	}
	const frame = 4 // both channels, 16 bits each
	var b [1152 * frame]byte
	var mono [1152]int16
	for {
		n, err := io.ReadFull(d, b[:])
		n /= frame
		for i := range n {
			left, right := binary.LittleEndian.Uint16(b[i*frame:]), binary.LittleEndian.Uint16(b[i*frame+2:])
			mono[i] = int16((int(int16(left)) + int(int16(right))) / 2)
		}
		if err := k.add(mono[:n]); err != nil {
			return wav.Audio{}, err
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return wav.Audio{Rate: keepRate, PCM: k.pcm}, nil
		case err != nil:
			return wav.Audio{}, fmt.Errorf("%w: %w", ErrFormat, err)
		}
	}
}

// skipTags passes over what precedes the sound: pictures and titles of any size (ID3v2
// §3.1), which the decoder would take into memory as long as they say they are.
func skipTags(r *bufio.Reader) error {
	for {
		b, err := r.Peek(10)
		if err != nil || string(b[:3]) != "ID3" {
			return nil // the decoder says what is wrong
		}
		size := 10 + (int64(b[6]&0x7F)<<21 | int64(b[7]&0x7F)<<14 | int64(b[8]&0x7F)<<7 | int64(b[9]&0x7F))
		if _, err := io.CopyN(io.Discard, r, size); err != nil {
			return fmt.Errorf("%w: the MP3 file ends before its sound", ErrFormat)
		}
	}
}
