package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Handler answers the requests. Run serves it; it is there for tests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /status", s.shown(s.status))
	s.pageRoutes(mux)
	mux.HandleFunc("GET /live", s.shown(s.live))
	mux.HandleFunc("POST "+sweepPath, s.wish(s.sweep))
	mux.HandleFunc("POST "+baselinePath, s.wish(s.baseline))
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Metrics, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(s.deps.Log),
	}))
	return s.guard(mux)
}

// health says that the process runs.
func health(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") }

// ready answers 200, or 503 with a line for each reason.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	reasons := s.deps.Ready(ctx)
	if len(reasons) == 0 {
		text(w, http.StatusOK, "ready")
		return
	}
	lines := make([]string, len(reasons))
	for i, reason := range reasons {
		lines[i] = oneLine(reason)
	}
	text(w, http.StatusServiceUnavailable, strings.Join(lines, "\n"))
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(s.deps.Status().filled())
	if err != nil {
		s.broken(w, "status", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // a reader who has gone away is no matter
}

func (s *Server) broken(w http.ResponseWriter, what string, err error) {
	s.deps.Log.Error("the admin server could not answer", zap.String("what", what), zap.Error(err))
	text(w, http.StatusInternalServerError, "this could not be shown; the log says why")
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func text(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body+"\n")
}
