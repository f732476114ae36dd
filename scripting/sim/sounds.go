package sim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"tandem/media"
	"tandem/media/codec"
	"tandem/media/soundfile"
	"tandem/media/tone"
	"tandem/scripting"
)

// enough is how much of a sound tells it from the others, in samples.
const enough = rate

// longestSound bounds a sound that specs name.
const longestSound = time.Hour

// sources are what a sound is made of: as scripts write it, or with as what they say.
func (w *world) sources(sound []string, as string) ([]string, error) {
	if as == "" {
		return sound, nil
	}
	var all []string
	for _, text := range sound {
		words, err := scripting.Spoken(text, as, w.clock.Now())
		if err != nil {
			return nil, err
		}
		all = append(all, words...)
	}
	return all, nil
}

// search looks for a sound as it is heard on the telephone, in µ-law: for the beginning of
// one, and of a list, which plays without a gap, all but the rest of the last.
func (w *world) search(sound []string, as string) (*search, error) {
	parts, err := w.sources(sound, as)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, errors.New("there is no sound to listen for")
	}
	s := &search{}
	for i, part := range parts {
		one, err := w.part(part)
		if err != nil {
			return nil, err
		}
		if i == len(parts)-1 {
			one = one[:min(len(one), enough)]
		}
		s.sent = append(s.sent, one...)
		s.parts = append(s.parts, len(s.sent))
	}
	if !loud(s.sent) {
		return nil, fmt.Errorf("%s is silence, which cannot be told from other silence", strings.Join(sound, ", "))
	}
	return s, nil
}

// part is one source in µ-law.
func (w *world) part(source string) ([]byte, error) {
	kind, rest, _ := strings.Cut(source, ":")
	var pcm []int16
	switch kind {
	case "tone":
		spec, err := tone.Parse(rest)
		if err != nil {
			return nil, err
		}
		pcm = make([]int16, enough)
		pcm = pcm[:tone.NewGenerator(spec, rate).Read(pcm)]
	case "silence":
		n, err := strconv.ParseFloat(rest, 64)
		if err != nil || n < 0 || n > longestSound.Seconds() {
			return nil, fmt.Errorf("%q is not silence:2", source)
		}
		pcm = make([]int16, int(n*rate))
	case "say":
		pcm = melody(rest)
	default:
		return w.stored(source)
	}
	return mulaw(pcm), nil
}

func mulaw(pcm []int16) []byte {
	b := make([]byte, len(pcm))
	codec.EncodeMuLaw(b, pcm)
	return b
}

// stored reads a prompt or a recording, prompts once in a run.
func (w *world) stored(name string) ([]byte, error) {
	fsys, file, err := w.locate(name)
	if err != nil {
		return nil, err
	}
	_, prompt := strings.CutPrefix(file, "prompts/")
	key := w.dir + "\x00" + file
	if b := w.stage.sounds[key]; prompt && b != nil {
		return b, nil
	}
	pcm, err := readSound(fsys, file)
	if err != nil {
		return nil, err
	}
	b := mulaw(pcm)
	if prompt {
		w.stage.sounds[key] = b
	}
	return b, nil
}

// locate finds the file of a sound where the server would: among the folder's prompts, the
// shipped ones, and the recordings.
func (w *world) locate(name string) (fs.FS, string, error) {
	layers := []fs.FS{w.shipped}
	if w.dir != "" {
		layers = append([]fs.FS{os.DirFS(w.dir)}, layers...)
	}
	names := []string{name}
	if path.Ext(name) == "" {
		for _, ending := range soundfile.Endings() {
			names = append(names, name+ending)
		}
	}
	for _, n := range names {
		for _, fsys := range layers {
			if info, err := fs.Stat(fsys, path.Join("prompts", n)); err == nil && !info.IsDir() {
				return fsys, path.Join("prompts", n), nil
			}
		}
		if info, err := fs.Stat(os.DirFS(w.folder), n); err == nil && !info.IsDir() {
			return os.DirFS(w.folder), n, nil
		}
	}
	return nil, "", fmt.Errorf("there is no prompt and no recording %q", name)
}

func readSound(fsys fs.FS, file string) ([]int16, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	audio, err := soundfile.Decode(file, f, longestSound)
	if err != nil || audio.Rate == rate {
		return audio.PCM, err
	}
	return codec.Resample(audio.PCM, audio.Rate, rate)
}

// voice is a sound for a simulated phone to play.
func (w *world) voice(sound []string, as string) ([]media.Source, error) {
	parts, err := w.sources(sound, as)
	var all []media.Source
	for _, part := range parts {
		if kind, _, _ := strings.Cut(part, ":"); kind == "tone" {
			t, err := media.ParseTone(part)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
			continue
		}
		fsys, file, err := w.locate(part)
		if err != nil {
			return nil, err
		}
		clip, err := media.LoadClip(fsys, file)
		if err != nil {
			return nil, err
		}
		all = append(all, clip)
	}
	return all, err
}
