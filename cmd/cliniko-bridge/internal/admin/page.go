package admin

import (
	"embed"
	"net/http"
	"path"
)

// pageFiles are the page for operators as a browser gets it: a shell that holds nothing of any bridge, its style and its script,
// in plain modules that nothing has to build. What the page shows it asks for itself, by GET /live.
//
//go:embed page
var pageFiles embed.FS

// contentPolicy lets a browser run the page's own script, apply its style and ask this server, and do nothing else: no other
// host, nothing that stands in the page itself, and no text made into markup by any script.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// pageTypes are said rather than guessed: what the system believes of .js, a browser may refuse to run.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

// pageRoutes adds the page and its files. They are for whoever may see what the page shows.
func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.shown(func(w http.ResponseWriter, _ *http.Request) { pageFile(w, "page.html") }))
	mux.HandleFunc("GET /page/{name}", s.shown(func(w http.ResponseWriter, r *http.Request) { pageFile(w, r.PathValue("name")) }))
}

func pageFile(w http.ResponseWriter, name string) {
	body, err := pageFiles.ReadFile(path.Join("page", name))
	kind := pageTypes[path.Ext(name)]
	if err != nil || kind == "" {
		text(w, http.StatusNotFound, "there is no such file of the page")
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // a reader who has gone away is no matter
}
