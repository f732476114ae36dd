package web

import (
	"errors"
	"io/fs"
	"net/http"
	"path"
)

// recording answers with a sound below the recordings folder, ranges of it too, so that a
// player can seek. The file system lets nothing out of its folder.
func (a *API) recording(r *http.Request) (any, error) {
	name := r.PathValue("file")
	if !fs.ValidPath(name) || a.o.Recordings == nil {
		return nil, noRecording(name)
	}
	info, err := fs.Stat(a.o.Recordings, name)
	if err != nil || !info.Mode().IsRegular() {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.o.Log.Info("http: a recording cannot be read", "file", name, "error", err)
		}
		return nil, noRecording(name)
	}
	return raw(func(w http.ResponseWriter, r *http.Request) {
		switch path.Ext(name) {
		case ".wav":
			w.Header().Set("Content-Type", "audio/wav")
		case ".opus", ".ogg":
			w.Header().Set("Content-Type", "audio/ogg")
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		w.Header().Set("Content-Security-Policy", "sandbox")
		http.ServeFileFS(w, r, a.o.Recordings, name)
	}), nil
}

func noRecording(name string) error {
	return problem(http.StatusNotFound, "there is no recording %q", printable(name))
}
