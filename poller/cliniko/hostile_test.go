package cliniko

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hijacked writes head, and then more again and again until the client hangs up. Without more it waits for that.
func hijacked(head, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, err = conn.Write([]byte(head))
		again := bytes.Repeat([]byte(more), 1+4096/max(len(more), 1))
		for err == nil && more != "" {
			_, err = conn.Write(again)
		}
		untilGone(conn)
	}
}

// untilGone waits until the other side hangs up.
func untilGone(conn net.Conn) {
	for b := make([]byte, 1); ; {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// drip writes a byte at a time, with a pause between two.
func drip(head string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if head != "" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			gone := make(chan struct{})
			go func() { untilGone(conn); close(gone) }()
			for i := 0; ; i++ {
				if _, err := conn.Write([]byte{head[min(i, len(head)-1)]}); err != nil {
					return
				}
				select {
				case <-gone:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
		for {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// endless answers with status and a body without an end.
func endless(status int, text string) http.HandlerFunc {
	piece := bytes.Repeat([]byte(text), 1+32<<10/len(text))
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		for {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
}

// zipped is text again and again, compressed.
func zipped(text string, times int) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range times {
		_, _ = z.Write([]byte(text))
	}
	_ = z.Close()
	return b.String()
}

func gzipped(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write([]byte(body))
	}
}

// Whatever a server does, a request ends, with an error of its kind and having taken little memory; and nobody else is asked
// anything on its account.
func TestAHostileServer(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\n"
		chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
		list    = `{"patients":[{"id":1,` + stamped + `}]}`
		rows    = `{"patients":[`
		most    = 1 << 20 // bytes of a body
		// room is for what one request may allocate, on both sides together: reading a body of unknown size takes several
		// times what it holds.
		room = 24 * most
	)
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	sent := func(status int, header, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(list))
		}
	}
	const fine Kind = -1
	for _, tt := range []struct {
		what    string
		handler http.HandlerFunc
		want    Kind
		slow    bool // it ends by the client's timeout alone
		raw     bool // it is written byte by byte, which HTTP/2 has no use for
	}{
		{"a body without an end", endless(200, "["), TooLarge, false, false},
		{"a gigabyte that is announced", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			endless(200, " ")(w, r)
		}, TooLarge, false, false},
		{"a terabyte that is announced, and three bytes", hijacked(ok+"Content-Length: 1099511627776\r\n\r\n{\"p", ""), Network, true, true},
		{"a little gzip that becomes a great deal", gzipped(zipped(strings.Repeat(" ", most), 8)), TooLarge, false, false},
		{"gzip within gzip", gzipped(zipped(zipped(list, 1), 1)), BadBody, false, false},
		{"gzip that holds nothing, again and again", hijacked(ok+"Content-Encoding: gzip\r\n\r\n", zipped("", 1)), Network, true, true},
		{"an error page without an end", endless(500, "<p>"), Server, false, false},
		{"a redirect to itself with a body without an end", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", r.URL.String())
			endless(308, "<p>")(w, r)
		}, Unexpected, false, false},
		{"a redirect to another host, with its user and its key", sent(307, "Location", strings.Replace(other.URL, "://", "://"+testKey+":x@", 1)), Unexpected, false, false},
		{"a list that asks to be read elsewhere", sent(200, "Refresh", "0; url="+other.URL), fine, false, false},
		{"a list that is to be had elsewhere", sent(200, "Alt-Svc", `h2="`+strings.TrimPrefix(other.URL, "http://")+`"`), fine, false, false},
		{"a proxy that is to be asked", sent(305, "Location", other.URL), Unexpected, false, false},
		{"a proxy that wants a password", sent(407, "Proxy-Authenticate", "Basic"), Unexpected, false, false},
		{"another protocol", hijacked("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "x"), Unexpected, false, true},
		{"rows that are nothing, by the million", answerWith(200, rows+strings.Repeat("0,", most/2-20)+"0]}"), BadBody, false, false},
		{"rows without an id, by the million", answerWith(200, rows+strings.Repeat("{},", most/3-20)+"{}]}"), BadBody, false, false},
		{"a record that is nested a thousand deep", answerWith(200, `{"patients":[{"id":1,`+stamped+`,"n":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}]}`), fine, false, false},
		{"a record that is nested a hundred thousand deep", answerWith(200, rows+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`]}`), BadBody, false, false},
		{"a body of nulls", endlessOf(most/2, "\x00"), BadBody, false, false},
		{"a body that is not UTF-8", answerWith(200, rows+"{\"id\":1,"+stamped+",\"n\":\"\xff\xc0\x80\xed\xa0\x80\"}]}"), fine, false, false},
		{"a header without an end", hijacked(ok, "X-Smith: Smith\r\n"), Network, false, true},
		{"one line of header without an end", hijacked(ok+"X-Smith: ", "Smith"), Network, false, true},
		{"a status line without an end", hijacked("HTTP/1.1 200 ", "Smith"), Network, false, true},
		{"news of the answer, and never the answer", hijacked("", "HTTP/1.1 103 Early Hints\r\nLink: <Smith>\r\n\r\n"), Network, false, true},
		{"a trailer without an end", hijacked(chunked+"0\r\n", "X-Smith: Smith\r\n"), Network, false, true},
		{"a chunk's line without an end", hijacked(chunked+"1;", "Smith"), Network, false, true},
		{"a chunk of more than can be", hijacked(chunked+"fffffffffffffffff\r\n", "Smith"), Network, false, true},
		{"chunks of one byte, each with a comment", hijacked(chunked, "1;"+strings.Repeat("s", 1000)+"\r\n \r\n"), Network, false, true},
		{"two lengths", hijacked(ok+"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", " "), Network, false, true},
		{"a length below nothing", hijacked(ok+"Content-Length: -5\r\n\r\n", " "), Network, false, true},
		{"silence", hijacked("", ""), Network, true, true},
		{"silence behind the header", hijacked(ok+"\r\n", ""), Network, true, true},
		{"a header that drips", drip(ok + "X-Smith: s"), Network, true, true},
		{"a body that drips", drip(""), Network, true, false},
		{"twenty thousand hints", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<Smith>")
			for range 20_000 {
				w.WriteHeader(http.StatusEarlyHints)
			}
			_, _ = w.Write([]byte(list))
		}, Network, false, false},
		{"two hundred kilobytes of header", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 200 {
				w.Header().Set(fmt.Sprint("X-Smith-", i), strings.Repeat("s", 1000))
			}
			_, _ = w.Write([]byte(list))
		}, Network, false, false},
		{"an answer that is broken off", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(rows))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, Network, false, false},
	} {
		timeout := time.Minute // nothing here takes so long but what never ends by itself
		if tt.slow {
			timeout = 200 * time.Millisecond
		}
		try := func(t *testing.T, c *Client) {
			t.Helper()
			c.maxBytes, c.timeout = most, timeout
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			page, err := c.List(t.Context(), patients)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; taken > room {
				t.Errorf("it took %d KiB of memory, want %d at most", taken>>10, room>>10)
			}
			if tt.want == fine {
				if err != nil || len(page.Records) != 1 {
					t.Errorf("got %d records, %v", len(page.Records), err)
				}
				return
			}
			e := wantKind(t, tt.what, err, tt.want)
			if late := strings.HasPrefix(e.Reason, "no answer within"); late != tt.slow {
				t.Errorf("it ended by the timeout: %v, want %v: %v", late, tt.slow, err)
			}
		}
		t.Run(tt.what, func(t *testing.T) { try(t, clientOf(t, Config{}, tt.handler)) })
		if !tt.raw {
			t.Run(tt.what+", over HTTP/2", func(t *testing.T) {
				c, _ := secure(t, 0, tt.handler)
				try(t, c)
			})
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
}

// endlessOf answers with n bytes.
func endlessOf(n int, text string) http.HandlerFunc {
	return answerWith(200, strings.Repeat(text, n))
}
