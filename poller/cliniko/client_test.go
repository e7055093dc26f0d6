package cliniko

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ask starts a server with handler and asks it for one page of patients.
func ask(t *testing.T, cfg Config, handler http.HandlerFunc) (Page, error) {
	t.Helper()
	return clientOf(t, cfg, handler).List(t.Context(), patients)
}

var patients = Query{Path: "/patients", Key: "patients", Stamp: "updated_at"}

func clientOf(t *testing.T, cfg Config, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	transport := NewTransport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	cfg.APIKey, cfg.UserAgent, cfg.BaseURL = testKey, testAgent, server.URL+"/v1"
	c, err := New(cfg, transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answerWith(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestAQueryIsSentExactly(t *testing.T) {
	since := time.Date(2026, 5, 2, 19, 0, 0, 5, time.FixedZone("", 10*3600))
	for _, tt := range []struct {
		q    Query
		want string
	}{
		{Query{Path: "/patients"}, "/v1/patients?per_page=100"},
		{Query{Path: "/patients", Page: 1, PerPage: 1}, "/v1/patients?per_page=1"},
		{Query{Path: "/patients", Page: 3, PerPage: 101}, "/v1/patients?page=3&per_page=100"},
		{Query{Path: "/patients", Desc: true}, "/v1/patients?order=desc&per_page=100"},
		{
			Query{
				Path: "/appointments/deleted", Sort: "deleted_at", Desc: true, PerPage: 20,
				Filters: []Filter{At("deleted_at", ">=", since), {Field: "id", Op: ":=", Value: "1,2"}, {Field: "archived_at", Value: "*"}, {Field: "name", Op: "~", Value: "a&b[c] d+%"}},
			},
			"/v1/appointments/deleted?q%5B%5D=deleted_at%3A%3E%3D2026-05-02T09%3A00%3A00Z&q%5B%5D=id%3A%3A%3D1%2C2" +
				"&q%5B%5D=archived_at%3A%2A&q%5B%5D=name%3A~a%26b%5Bc%5D+d%2B%25&sort=deleted_at&order=desc&per_page=20",
		},
	} {
		var got *http.Request
		c := clientOf(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			got = r
			_, _ = w.Write([]byte(`{"x":[]}`))
		})
		tt.q.Key = "x"
		if _, err := c.List(t.Context(), tt.q); err != nil {
			t.Fatal(err)
		}
		if got.RequestURI != tt.want {
			t.Errorf("got  %s\nwant %s", got.RequestURI, tt.want)
		}
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(testKey+":"))
		if got.Method != http.MethodGet || got.Header.Get("Authorization") != basic ||
			got.Header.Get("User-Agent") != testAgent || got.Header.Get("Accept") != "application/json" {
			t.Errorf("got %s with %v", got.Method, got.Header)
		}
	}
}

func TestAPageComesWithItsDate(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		page, err := ask(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", "Sat, 02 May 2026 09:00:07 GMT")
			body := `{"patients":[{"id":"5",` + stamped + `}],"total_entries":1}`
			if !compressed {
				_, _ = w.Write([]byte(body))
				return
			}
			if r.Header.Get("Accept-Encoding") != "gzip" {
				t.Error("gzip is not asked for")
			}
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte(body))
			_ = z.Close()
		})
		want := time.Date(2026, 5, 2, 9, 0, 7, 0, time.UTC)
		if err != nil || len(page.Records) != 1 || page.Date != want || page.Total != 1 {
			t.Errorf("compressed %v: got %+v, %v", compressed, page, err)
		}
	}
}

// Every status but 200 is its kind whatever the body says: even a body that would be the list is not looked at, and
// none of its text comes out.
func TestEveryStatusHasItsKind(t *testing.T) {
	for status, want := range map[int]Kind{
		201: Unexpected, 204: Unexpected, 304: Unexpected, 400: Refused, 401: Unauthorized, 402: Unexpected,
		403: Forbidden, 404: NotFound, 418: Unexpected, 422: Unexpected, 429: RateLimited, 500: Server, 502: Server, 503: Server, 504: Server,
	} {
		for _, body := range []string{"", "<html>Smith</html>", `{"message":"Smith"}`, `{"patients":[],"total_entries":0}`} {
			if status == 204 || status == 304 {
				body = ""
			}
			_, err := ask(t, Config{}, answerWith(status, body))
			e := wantKind(t, fmt.Sprint(status), err, want)
			if e.Status != status || e.Path != "/patients" {
				t.Errorf("%d: got %+v", status, e)
			}
		}
	}
}

// wantKind checks that err is an *Error of kind with nothing in its text that should not be there.
func wantKind(t *testing.T, what string, err error, kind Kind) Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("%s: got %v, want an error of kind %s", what, err, kind)
	}
	for _, leak := range []string{"Smith", testKey, "notakey", "per_page", base64.StdEncoding.EncodeToString([]byte(testKey + ":"))} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("%s: %q is in the error %q", what, leak, err)
		}
	}
	return *e
}

func TestA200ThatIsNotTheListIsABadBody(t *testing.T) {
	for _, body := range []string{
		"", "<html>Smith</html>", `{}`, `[]`, `{"patients":null}`, `{"appointments":[]}`, `{"patients":[]} Smith`,
		`{"patients":[{"id":1,"name":"Smith`, // with a Content-Length that is right: cut before it was sent
	} {
		page, err := ask(t, Config{}, answerWith(200, body))
		e := wantKind(t, body, err, BadBody)
		if page.Rows() != 0 || e.Reason == "" || e.Status != 200 {
			t.Errorf("%s: got %+v, %+v", body, page, e)
		}
	}
}

// raw answers with bytes that need not be HTTP, and hangs up.
func raw(t *testing.T, text string) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}
}

func TestBrokenAnswersAreNetworkErrors(t *testing.T) {
	flood := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Smith: "+strings.Repeat("s", 1000)+"\r\n", 1000) + "\r\n"
	for what, text := range map[string]string{
		"nothing":           "",
		"cut head":          "HTTP/1.1 200 OK\r\nContent-Le",
		"cut body":          "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + `{"patients":[]}`,
		"cut chunk":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + `{"patients":[]}`,
		"cut gzip":          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
		"no gzip":           "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nSmith Smith Smith",
		"not HTTP":          "Smith Smith Smith\r\n\r\n",
		"odd status":        "HTTP/1.1 Smith OK\r\n\r\n",
		"odd header":        "HTTP/1.1 200 OK\r\nSmith\r\n\r\n",
		"odd length":        "HTTP/1.1 200 OK\r\nContent-Length: Smith\r\n\r\n",
		"a flood of header": flood,
	} {
		_, err := ask(t, Config{}, raw(t, text))
		if e := wantKind(t, what, err, Network); e.Status != 0 || e.Reason == "" {
			t.Errorf("%s: got %+v", what, e)
		}
	}
}

func TestNoServerIsANetworkErrorThatSaysWhere(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := clientAt(t, "http://"+l.Addr().String()+"/v1")
	_ = l.Close()
	_, err = c.List(t.Context(), patients)
	e := wantKind(t, "refused", err, Network)
	if want := "dial tcp " + l.Addr().String(); !strings.HasPrefix(e.Reason, want) {
		t.Errorf("got %q, want %q", e.Reason, want)
	}
}

func TestAnErrorThatQuotesTheURLIsTakenApart(t *testing.T) {
	c := clientAt(t, "http://127.0.0.1/v1")
	c.transport = failing{fmt.Errorf("odd: %w", &net.DNSError{Err: "no such host", Name: "api.uk2.cliniko.com"})}
	_, err := c.List(t.Context(), patients)
	if want := "GET /patients: lookup api.uk2.cliniko.com: no such host"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	c.transport = failing{errors.New("GET http://x/v1/patients?per_page=100: " + testKey + " Smith")}
	_, err = c.List(t.Context(), patients)
	if e := wantKind(t, "unknown", err, Network); e.Err != nil {
		t.Errorf("an error with an unknown text is kept: %v", e.Err)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// A body past the limit is refused as it is read, and a little gzip that becomes a great deal is no way round.
func TestABodyHasALimit(t *testing.T) {
	exact := `{"patients":[]}`
	if _, err := ask(t, Config{MaxBytes: int64(len(exact))}, answerWith(200, exact)); err != nil {
		t.Errorf("a body of just the limit: %v", err)
	}
	_, err := ask(t, Config{MaxBytes: int64(len(exact))}, answerWith(200, exact+" "))
	wantKind(t, "one more", err, TooLarge)

	var sent atomic.Int64
	_, err = ask(t, Config{MaxBytes: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(`{"patients":["`))
		for sent.Load() < 1<<30 {
			n, err := z.Write(make([]byte, 1<<20))
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	})
	wantKind(t, "gzip bomb", err, TooLarge)
	if sent.Load() >= 1<<30 {
		t.Error("the whole of the bomb was taken")
	}
}

// No redirect is followed, wherever it leads: the other host never hears of the key.
func TestARedirectIsNotFollowed(t *testing.T) {
	var contacted atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { contacted.Add(1) }))
	defer other.Close()
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for _, location := range []string{other.URL + "/v1/patients", "/v1/elsewhere", "http://Smith:%zz", ""} {
			asked := 0
			_, err := ask(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.Header()["Location"] = []string{location}
				w.WriteHeader(status)
			})
			wantKind(t, location, err, Unexpected)
			if asked != 1 {
				t.Errorf("%d to %q: asked %d times", status, location, asked)
			}
		}
	}
	if n := contacted.Load(); n != 0 {
		t.Errorf("the other host was contacted %d times", n)
	}
}

func TestNoPathLeadsElsewhere(t *testing.T) {
	c := clientAt(t, "http://127.0.0.1/v1")
	c.transport = failing{errors.New("a request was sent")}
	for _, path := range foreignPaths {
		if _, _, err := c.Get(t.Context(), Query{Path: path}); !errors.Is(err, ErrPath) {
			t.Errorf("Get %q: got %v, want ErrPath", path, err)
		}
		if _, err := c.List(t.Context(), Query{Path: path}); !errors.Is(err, ErrPath) {
			t.Errorf("List %q: got %v, want ErrPath", path, err)
		}
	}
	if spent := c.Budget().Stats().Total(); spent != 0 {
		t.Errorf("%d requests were spent on them", spent)
	}
}

// X-RateLimit-Reset is read by the server's clock, and by ours only if the answer has no Date.
func TestHowLongA429Lasts(t *testing.T) {
	now := time.Date(2026, 5, 2, 9, 0, 0, 0, time.UTC)
	date := now.Add(-time.Hour).Format(http.TimeFormat)
	in := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	for _, tt := range []struct {
		reset, after, date string
		want               time.Duration
	}{
		{in(20*time.Second - time.Hour), "", date, 20 * time.Second},
		{in(20 * time.Second), "", "", 20 * time.Second},
		{in(20 * time.Second), "5", "not a date", 20 * time.Second},
		{in(-time.Hour), "", date, time.Second},
		{in(0), "", date, 10 * time.Minute},
		{"99999999999999999", "", date, 10 * time.Minute},
		{"", "7", date, 7 * time.Second},
		{"soon", " 7 ", date, 7 * time.Second},
		{"", "0", date, time.Second},
		{"", "99999999999999999", date, 10 * time.Minute},
		{"", "", date, time.Minute},
		{"-1", "-1", "", time.Minute},
		{"", "Sat, 02 May 2026 09:00:07 GMT", "", time.Minute},
	} {
		h := http.Header{}
		h.Set("X-RateLimit-Reset", tt.reset)
		h.Set("Retry-After", tt.after)
		h.Set("Date", tt.date)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
}

func TestA429PausesTheWholeAccount(t *testing.T) {
	c := clientOf(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	before := time.Now()
	_, err := c.List(t.Context(), patients)
	if e := wantKind(t, "429", err, RateLimited); e.RetryAfter != 90*time.Second {
		t.Errorf("got %s, want 90s", e.RetryAfter)
	}
	until := c.Budget().Stats().PausedUntil
	if until.Before(before.Add(90*time.Second)) || until.After(time.Now().Add(90*time.Second)) {
		t.Errorf("paused until %s, asked at %s", until, before)
	}
}

// A server that does not answer is a Network error by our own timeout; a caller who gives up gets its own error back,
// and never an *Error, which would count against the server.
func TestTimeoutAndCancellationAreNotTheSame(t *testing.T) {
	arrived := make(chan struct{}, 1)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}
	_, err := ask(t, Config{Timeout: 50 * time.Millisecond}, hang)
	if e := wantKind(t, "timeout", err, Network); e.Reason != "no answer within 50ms" {
		t.Errorf("got %q", e.Reason)
	}
	<-arrived

	_, err = ask(t, Config{Timeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"patients":[`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	wantKind(t, "timeout in the body", err, Network)

	ctx, cancel := context.WithCancel(t.Context())
	go func() { // ends when the handler has been asked
		<-arrived
		cancel()
	}()
	_, err = clientOf(t, Config{}, hang).List(ctx, patients)
	var e *Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &e) || !strings.HasPrefix(err.Error(), "GET /patients: ") {
		t.Errorf("cancelled in flight: got %v", err)
	}
	_, err = clientOf(t, Config{}, hang).List(ctx, patients)
	if !errors.Is(err, context.Canceled) || errors.As(err, &e) {
		t.Errorf("cancelled before: got %v", err)
	}
}

func TestGetTakesOneObject(t *testing.T) {
	c := clientOf(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/v1/patients/5?q%5B%5D=archived_at%3A%2A&from=2026-05-02" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Date", "Sat, 02 May 2026 09:00:07 GMT")
		_, _ = w.Write([]byte("{ \"id\": 5 }\n"))
	})
	lifted := []Filter{{Field: "archived_at", Op: "*"}}
	got, date, err := c.Get(t.Context(), Query{
		Path: "/patients/5", Filters: lifted, Parameters: []Parameter{{"from", "2026-05-02"}}, Lane: LaneSweep,
	})
	if err != nil || string(got) != `{ "id": 5 }` || date.Second() != 7 {
		t.Errorf("got %s, %s, %v", got, date, err)
	}
	_, _, err = c.Get(t.Context(), Query{Path: "/patients/6", Lane: LaneSweep})
	wantKind(t, "gone", err, NotFound)

	for _, body := range []string{"", "{}", "[]", "null", "<html>Smith</html>", `{"id":"Smith`} {
		_, _, err := clientOf(t, Config{}, answerWith(200, body)).Get(t.Context(), Query{Path: "/settings"})
		wantKind(t, body, err, BadBody)
	}
}

// A ledger that does not answer is worth another try, and no request is sent without it.
func TestALedgerThatFailsIsARequestThatMayBeRepeated(t *testing.T) {
	var asked atomic.Int64
	c := clientOf(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(`{"patients":[]}`))
	})
	ledger := &memoryLedger{err: errors.New("connection refused")}
	c.budget = NewBudget(180, ledger)
	_, err := c.List(t.Context(), patients)
	e := wantKind(t, "ledger", err, Network)
	if !errors.Is(err, ErrLedger) || !e.Kind.Retry() || asked.Load() != 0 {
		t.Errorf("got %v after %d requests", err, asked.Load())
	}
	ledger.err = nil
	if _, err = c.List(t.Context(), patients); err != nil {
		t.Errorf("the ledger is back: %v", err)
	}
}

func ExampleClient_List() {
	server := httptest.NewServer(answerWith(200, `{"patients":[{"id":"343589","updated_at":"2026-05-02T09:00:00Z"}],"total_entries":1}`))
	defer server.Close()
	client, err := New(Config{
		APIKey:    "MS0xMjM0-au1",
		UserAgent: "Northside Bridge (ops@northside.example)",
		BaseURL:   server.URL + "/v1",
	}, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := client.List(context.Background(), Query{
		Path: "/patients", Key: "patients", Stamp: "updated_at", Sort: "updated_at",
		Filters: []Filter{At("updated_at", ">=", time.Date(2026, 5, 2, 8, 58, 0, 0, time.UTC))},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range page.Records {
		fmt.Println(r.ID, schemas.FormatStamp(r.Stamp))
	}
	// Output: 343589 2026-05-02T09:00:00Z
}
