package sim

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// speech stands for the program that reads text aloud: it makes of each text a melody of its
// own, which `hears("say:…")` knows.
type speech struct{ folder string }

// Speak gives the file of a text.
func (s speech) Speak(_ context.Context, voice, text string) (string, error) {
	name := filepath.Join(s.folder, "say-"+strconv.FormatUint(sumOf(voice+"\x00"+text), 16)+".wav")
	return name, os.WriteFile(name, wave(melody(text)), 0o640)
}

func sumOf(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// melody is a text as sound, at rate samples a second: about as long as it takes to say, in
// tones that differ from text to text. Voices sound the same.
func melody(text string) []int16 {
	const note = rate / 10
	notes := max(len([]rune(text)), 5)
	pcm := make([]int16, 0, notes*note/2)
	seed := sumOf(text)
	for range notes / 2 {
		seed = seed*6364136223846793005 + 1442695040888963407
		pitch := 300 + float64(seed>>40%2700)
		for i := range note {
			pcm = append(pcm, int16(8000*math.Sin(2*math.Pi*pitch*float64(i)/rate)))
		}
	}
	return pcm
}

// wave writes samples as a WAV file.
func wave(pcm []int16) []byte {
	var b bytes.Buffer
	header := []any{[]byte("RIFF"), uint32(36 + 2*len(pcm)), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate),
		uint16(2), uint16(16), []byte("data"), uint32(2 * len(pcm)), pcm}
	for _, part := range header {
		_ = binary.Write(&b, binary.LittleEndian, part) // a buffer takes all
	}
	return b.Bytes()
}
