package admin

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The paths that take a wish, and they alone take a POST.
const (
	sweepPath    = "/sweep"
	baselinePath = "/baseline"
)

var wishes = []string{sweepPath, baselinePath}

// largestBody is the size in bytes of the largest wish that is read.
const largestBody = 64 << 10

// A sweepWish is the body of a POST to /sweep. All of it may be left out.
type sweepWish struct {
	Account   string             `json:"account"`
	Resources []schemas.Resource `json:"resources"`
	Accept    bool               `json:"accept"`
}

// A baselineWish is the body of a POST to /baseline.
type baselineWish struct {
	Account  string           `json:"account"`
	Resource schemas.Resource `json:"resource"`
}

// A refusal is the answer to a wish that is not granted: a sentence, and the status that belongs to it.
type refusal struct {
	code int
	text string
}

// answer sends it. scheme is how a token is asked for, if that is what is missing.
func (no *refusal) answer(w http.ResponseWriter, scheme string) {
	if no.code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", scheme)
	}
	text(w, no.code, oneLine(no.text))
}

func refuse(code int, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// wish answers 202 once begin has begun what the body asks for, or says why not.
func (s *Server) wish(begin func(body []byte) *refusal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		no := s.allowed(r, bearer)
		if no == nil {
			var body []byte
			if body, no = wishBody(w, r); no == nil {
				no = begin(body)
			}
		}
		if no == nil {
			text(w, http.StatusAccepted, "it has begun; /status shows how it goes on")
			return
		}
		no.answer(w, bearer)
	}
}

// wishBody reads the body. That it calls itself JSON is demanded since no form of a web page can.
func wishBody(w http.ResponseWriter, r *http.Request) ([]byte, *refusal) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", largestBody)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the body was cut off")
	}
	return body, nil
}

func (s *Server) sweep(body []byte) *refusal {
	var wish sweepWish
	if json.Unmarshal(body, &wish, json.RejectUnknownMembers(true)) != nil {
		return refuse(http.StatusBadRequest, "the body must be JSON, and have these members or fewer: "+
			`{"account": "northside", "resources": ["patients"], "accept": false}`)
	}
	if wish.Accept && len(wish.Resources) == 0 {
		return refuse(http.StatusBadRequest, "accept is for single resources: name them")
	}
	if no := s.meets(wish.Account, wish.Resources); no != nil {
		return no
	}
	if s.deps.Sweep == nil {
		return refuse(http.StatusConflict, "this bridge cannot do that")
	}
	if err := s.deps.Sweep(wish.Account, wish.Resources, wish.Accept); err != nil {
		return refuse(http.StatusConflict, "%s", err)
	}
	s.deps.Log.Info("a sweep was asked for", zap.String("account", wish.Account),
		zap.Any("resources", wish.Resources), zap.Bool("accept", wish.Accept))
	return nil
}

func (s *Server) baseline(body []byte) *refusal {
	var wish baselineWish
	if json.Unmarshal(body, &wish, json.RejectUnknownMembers(true)) != nil || wish.Resource == "" {
		return refuse(http.StatusBadRequest, "the body must be JSON, and have resource and perhaps account: "+
			`{"account": "northside", "resource": "patients"}`)
	}
	if no := s.meets(wish.Account, []schemas.Resource{wish.Resource}); no != nil {
		return no
	}
	if s.deps.Baseline == nil {
		return refuse(http.StatusConflict, "this bridge cannot do that")
	}
	if err := s.deps.Baseline(wish.Account, wish.Resource); err != nil {
		return refuse(http.StatusConflict, "%s", err)
	}
	s.deps.Log.Info("a baseline was asked for", zap.String("account", wish.Account),
		zap.String("resource", string(wish.Resource)))
	return nil
}

// meets refuses what the bridge has not: the account, the resources, or the lead.
func (s *Server) meets(account string, resources []schemas.Resource) *refusal {
	for _, r := range resources {
		if _, err := config.ParseResource(string(r)); err != nil {
			return refuse(http.StatusNotFound, "%.40q %s", r, err)
		}
	}
	accounts := s.deps.Status().Accounts
	if account != "" {
		accounts = slices.DeleteFunc(slices.Clone(accounts), func(a Account) bool { return a.Name != account })
		if len(accounts) == 0 {
			return refuse(http.StatusNotFound, "there is no account %.40q; /status names those that there are", account)
		}
	}
	led := false
	var followed []schemas.Resource
	for _, a := range accounts {
		led = led || a.Leader
		for _, r := range a.Resources {
			followed = append(followed, r.Name)
		}
	}
	switch {
	case !led && account != "":
		return refuse(http.StatusConflict, "account %s is not led by this process: another one leads it, or it is only starting", account)
	case !led:
		return refuse(http.StatusConflict, "this process leads no account: another one leads them, or it is only starting")
	}
	for _, r := range resources {
		if !slices.Contains(followed, r) {
			return refuse(http.StatusNotFound, "%s is not followed; /status names what is", r)
		}
	}
	return nil
}
