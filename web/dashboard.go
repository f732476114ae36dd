package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed dashboard
var dashboardFiles embed.FS

// pagePolicy lets the dashboard load what is ours and nothing else: no script within a page, so
// that a name which a stranger chose cannot become one.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// assets are the dashboard's files, by path. The page itself tells nothing, so it needs no
// token: what it shows it asks of the API.
func assets() map[string][]byte {
	files := map[string][]byte{}
	// What is embedded can be read.
	fs.WalkDir(dashboardFiles, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, _ := dashboardFiles.ReadFile(name)
			files[strings.TrimPrefix(name, "dashboard")] = text
		}
		return err
	})
	files["/"] = files["/index.html"]
	return files
}

var assetTypes = map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8"}

// dashboard answers with a file of the dashboard, and for all else that nothing is there.
func (a *API) dashboard() http.Handler {
	files, nothing := assets(), a.dispatch(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if !ok || !slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method) {
			nothing.ServeHTTP(w, r)
			return
		}
		kind := assetTypes[path.Ext(r.URL.Path)]
		if r.URL.Path == "/" {
			kind = assetTypes[".html"]
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		w.Write(text) // who has gone away cannot be told
	})
}
