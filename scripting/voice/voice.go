// Package voice makes sound of text, by a program or a web service, and keeps what it made.
package voice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// What holds when Options do not say otherwise.
const (
	DefaultTimeout = 10 * time.Second
	DefaultCache   = 256 << 20
)

const (
	maxSound   = 20 << 20 // bytes of one file
	maxAtOnce  = 4        // programs or requests; further ones wait
	maxMessage = 200      // bytes of what a program complained
)

// MaxText is how long a text may be, in bytes.
const MaxText = 4000

// ErrNone says that nothing is configured to speak.
var ErrNone = errors.New("there is no voice to read text with ([say] command or url)")

// Options say who speaks: URL is asked first, and Command when there is none or it fails.
type Options struct {
	// Command is a program and its arguments; no shell is between. {voice}, {file} and {text}
	// stand for themselves within an argument: without {text} the text comes by standard
	// input, without {file} the sound is taken from standard output.
	Command []string
	// URL is asked by GET, with {voice} and {text} escaped; the answer is a sound file.
	URL     string
	Voice   string        // when none is asked for
	Timeout time.Duration // for one text; 0 is DefaultTimeout
	Dir     string        // where sounds are kept; it is made when it is needed
	Cache   int64         // bytes kept there; 0 is DefaultCache
}

// Speaker speaks. Its methods are safe for use by many goroutines.
type Speaker struct {
	o      Options
	slots  chan struct{}
	client *http.Client

	mu      sync.Mutex
	running map[string]*speech
}

// speech is a text that is being spoken, for all who want it.
type speech struct {
	done    chan struct{}
	err     error
	waiting int
	cancel  context.CancelFunc
}

// New makes a speaker. It starts nothing yet.
func New(o Options) *Speaker {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Cache <= 0 {
		o.Cache = DefaultCache
	}
	return &Speaker{o: o, slots: make(chan struct{}, maxAtOnce), running: map[string]*speech{}, client: &http.Client{}}
}

// Speak gives the path of a sound file that says text. It is made when it is not kept; when
// ctx ends first and nobody else waits for it, that ends.
func (s *Speaker) Speak(ctx context.Context, voice, text string) (string, error) {
	if len(s.o.Command) == 0 && s.o.URL == "" {
		return "", ErrNone
	}
	if voice == "" {
		voice = s.o.Voice
	}
	if err := check(voice, text); err != nil {
		return "", err
	}
	path := s.path(voice, text)
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // when it cannot be marked as used, it goes a little early
		return path, nil
	}
	s.mu.Lock()
	one := s.running[path]
	if one == nil {
		inner, cancel := context.WithTimeoutCause(context.Background(), s.o.Timeout, errTimeout)
		one = &speech{done: make(chan struct{}), cancel: cancel}
		s.running[path] = one
		go s.make(inner, one, path, voice, text)
	}
	one.waiting++
	s.mu.Unlock()
	select {
	case <-one.done:
		return path, one.err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		one.cancel()
		s.forget(path, one)
	}
	return "", context.Cause(ctx)
}

var errTimeout = errors.New("timeout")

// Misuse is an error of who asked.
type Misuse struct{ Why string }

func (m *Misuse) Error() string { return m.Why }

func check(voice, text string) error {
	switch {
	case len(text) > MaxText:
		return &Misuse{fmt.Sprintf("the text has over %d bytes", MaxText)}
	case strings.ContainsRune(text, 0):
		return &Misuse{"the text holds a NUL byte"}
	case strings.TrimSpace(text) == "":
		return &Misuse{"the text is empty"}
	case len(voice) > 64 || strings.HasPrefix(voice, "-") || strings.ContainsFunc(voice, oddInVoice):
		return &Misuse{fmt.Sprintf("voice %q is not a voice's name", voice)}
	}
	return nil
}

func oddInVoice(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_+.-", r))
}

// path is where a text is kept: by all that makes it sound as it does.
func (s *Speaker) path(voice, text string) string {
	h := sha256.New()
	for _, part := range append(slices.Clone(s.o.Command), s.o.URL, voice, text) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return filepath.Join(s.o.Dir, hex.EncodeToString(h.Sum(nil)[:16])+".wav")
}

// make speaks a text and keeps it, under its name only once it is whole.
func (s *Speaker) make(ctx context.Context, one *speech, path, voice, text string) {
	defer one.cancel()
	err := s.speak(ctx, path, voice, text)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one.err = err
	s.forget(path, one)
	close(one.done)
}

// forget ends the sharing of what is being made. The lock is held.
func (s *Speaker) forget(path string, one *speech) {
	if s.running[path] == one {
		delete(s.running, path)
	}
}

func (s *Speaker) speak(ctx context.Context, path, voice, text string) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := os.MkdirAll(s.o.Dir, 0o750); err != nil {
		return err
	}
	work, err := os.MkdirTemp(s.o.Dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made := filepath.Join(work, "speech.wav")
	if s.o.URL != "" {
		err = s.ask(ctx, made, voice, text)
	}
	if len(s.o.Command) > 0 && (s.o.URL == "" || err != nil) {
		err = s.run(ctx, made, voice, text)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(made)
	if err != nil {
		return errors.New("the program made no file")
	}
	if info.Size() == 0 || info.Size() > maxSound {
		return fmt.Errorf("the sound has %d bytes", info.Size())
	}
	if err := os.Rename(made, path); err != nil {
		return err
	}
	return s.tidy(path)
}

// run lets the program speak. A text can never be taken for an option of it.
func (s *Speaker) run(ctx context.Context, made, voice, text string) error {
	argument := text
	if strings.HasPrefix(text, "-") {
		argument = " " + text
	}
	byFile, byArgument := false, false
	args := make([]string, len(s.o.Command))
	for i, a := range s.o.Command {
		byFile, byArgument = byFile || strings.Contains(a, "{file}"), byArgument || strings.Contains(a, "{text}")
		args[i] = strings.NewReplacer("{voice}", voice, "{file}", made, "{text}", argument).Replace(a)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = environment()
	cmd.Dir = filepath.Dir(made)
	cmd.WaitDelay = time.Second
	if !byArgument {
		cmd.Stdin = strings.NewReader(text + "\n")
	}
	complaint := bounded{most: maxMessage}
	cmd.Stderr = &complaint
	var sound bounded
	if !byFile {
		sound.most = maxSound + 1
		cmd.Stdout = &sound
	}
	if err := cmd.Run(); err != nil {
		why := strings.Join(strings.Fields(complaint.String()), " ")
		return fmt.Errorf("%s: %w%s", filepath.Base(args[0]), err, after(": ", why))
	}
	if byFile {
		return nil
	}
	return os.WriteFile(made, sound.Bytes(), 0o640)
}

func after(sep, text string) string {
	if text == "" {
		return ""
	}
	return sep + text
}

// environment is ours without what may be a secret.
func environment() []string {
	var out []string
	for _, key := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"} {
		if v, ok := os.LookupEnv(key); ok {
			out = append(out, key+"="+v)
		}
	}
	return out
}

// ask lets the service speak.
func (s *Speaker) ask(ctx context.Context, made, voice, text string) error {
	target := strings.NewReplacer("{voice}", url.QueryEscape(voice), "{text}", url.QueryEscape(text)).Replace(s.o.URL)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return errors.New("the URL of [say] cannot be used")
	}
	res, err := s.client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the URL, which may hold a key
		}
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the service answers %s", res.Status)
	}
	sound, err := io.ReadAll(io.LimitReader(res.Body, maxSound+1))
	if err != nil {
		return err
	}
	return os.WriteFile(made, sound, 0o640)
}

// tidy removes what was not used for longest when more is kept than may be. What was made
// just now stays.
func (s *Speaker) tidy(newest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	sum := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || filepath.Ext(e.Name()) != ".wav" {
			continue
		}
		sum += info.Size()
		if e.Name() != filepath.Base(newest) {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if sum <= s.o.Cache {
			break
		}
		if err := os.Remove(filepath.Join(s.o.Dir, f.Name())); err != nil {
			return err
		}
		sum -= f.Size()
	}
	return nil
}

// bounded keeps the first bytes written to it and takes the rest without keeping it.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), max(b.most-b.Len(), 0))])
	return len(p), nil
}
