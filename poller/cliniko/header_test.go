package cliniko

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Headers that are odd do no harm: what the API sent once that a strict parser refused is not known any more.
func TestOddHeadersDoNoHarm(t *testing.T) {
	for name, header := range map[string]string{
		"lower case":                "content-type: application/json\r\nx-ratelimit-reset: 1\r\n",
		"no space":                  "Content-Type:application/json\r\nX-Empty:\r\n",
		"no type at all":            "",
		"one of no media type":      "Content-Type: ;;;\r\n",
		"not ASCII":                 "X-Served-By: caf\xc3\xa9 \xff\r\n",
		"twice":                     "Content-Type: text/html\r\nContent-Type: application/json\r\nDate: x\r\nDate: y\r\n",
		"folded":                    "X-Long: begins here\r\n and goes on\r\n",
		"ended by a new line alone": "X-A: b\nX-C: d\n",
		"many":                      strings.Repeat("Set-Cookie: a=b; path=/\r\n", 500),
		"long":                      "X-Policy: " + strings.Repeat("default-src 'none'; ", 3000) + "\r\n",
		"odd limits":                "X-RateLimit-Limit: \r\nX-RateLimit-Reset: soon\r\nRetry-After: -1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			page, err := ask(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
				conn, buffered, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = conn.Close() }()
				body := `{"patients":[{"id":1,` + stamped + `}],"total_entries":1}`
				_, _ = fmt.Fprintf(buffered, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
				_ = buffered.Flush()
			})
			if err != nil || len(page.Records) != 1 {
				t.Errorf("got %d records, %v", len(page.Records), err)
			}
		})
	}
}
