//go:build interop

package interop

import (
	"os/exec"
	"path/filepath"
	"testing"

	"tandem/media/codec"
)

// spoken is what espeak-ng itself makes of a text, as a telephone hears it.
func spoken(t *testing.T, text string) []int16 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "speech.wav")
	if out, err := exec.Command("espeak-ng", "-v", "en-gb", "-w", file, text).CombinedOutput(); err != nil {
		t.Fatalf("espeak-ng: %v\n%s", err, out)
	}
	pcm, rate, err := readWAV(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := codec.NewResampler(rate, phoneRate)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]int16, r.OutputLen(len(pcm))+1)
	return out[:r.Process(out, pcm)]
}

// Callers hear what a real speech program makes of a text, once as its argument that looks
// like an option and once by standard input; a text is spoken once and then kept.
func TestCallersHearText(t *testing.T) {
	t.Parallel()
	const hello, other = "-Your table is booked for nine tomorrow evening", "The number is unknown in this country"
	for name, command := range map[string]string{
		"argument and file": `["espeak-ng", "-v", "{voice}", "-w", "{file}", "{text}"]`,
		"two pipes":         `["espeak-ng", "-v", "{voice}", "--stdin", "--stdout"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := serve(t, setup{
				config: "[say]\ncommand = " + command + "\nvoice = \"en-gb\"\n[media]\ncodecs = [\"pcmu\"]\n",
				scripts: map[string]string{"50-main.lua": `return { on_call = function(call)
					call:say("` + hello + `")
					call:play("say:` + hello + `")
				end }`},
			})
			heard := filepath.Join(t.TempDir(), "heard.wav")
			if out, code := srv.tandem(t, "call", srv.uri("1"), "--record", heard); code != 0 {
				t.Fatalf("the call: exit %d:\n%s", code, out)
			}
			pcm, rate, err := readWAV(heard)
			if err != nil || rate != phoneRate {
				t.Fatalf("heard at %d Hz: %v", rate, err)
			}
			holdsPieces(t, "what the caller heard", pcm, spoken(t, hello[1:]), spoken(t, other))
			if length := 2 * len(spoken(t, hello[1:])); len(pcm) < length*9/10 {
				t.Errorf("heard %.1f s, want twice the text, %.1f s", seconds(len(pcm)), seconds(length))
			}
			kept, err := filepath.Glob(filepath.Join(srv.dir, "data", "say", "*"))
			if err != nil || len(kept) != 1 {
				t.Errorf("kept: %v, %v", kept, err)
			}
		})
	}
}
