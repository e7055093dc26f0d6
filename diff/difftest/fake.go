package difftest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// StartFake starts something that speaks Redis's protocol and answers as it is told: a server that cannot be had, such as an
// old one. answer gets a command in capitals, "INFO", and returns the reply as it goes over the wire: "+OK\r\n",
// "-LOADING …\r\n", or [Bulk] of a text. It is called by many at once. It is not asked for HELLO, which the fake knows as
// little as Redis 5 does. The URL is as redisstore takes it; the fake ends with the test.
func StartFake(tb testing.TB, answer func(command string) string) (url string) {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards conns
		conns []net.Conn
	)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() { pretend(conn, answer) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "redis://" + l.Addr().String() + "/0"
}

// Bulk is a reply that is a text of any form.
func Bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// pretend answers the commands of one connection until it closes. A command is "*2", "$4", "PING", "$1", "x", a line each.
func pretend(conn net.Conn, answer func(string) string) {
	r := bufio.NewReader(conn)
	for {
		n, err := readCount(r, "*")
		if err != nil {
			return
		}
		var words []string
		for range n {
			size, err := readCount(r, "$")
			if err != nil {
				return
			}
			word := make([]byte, size+len("\r\n"))
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words = append(words, string(word[:size]))
		}
		if len(words) == 0 {
			return
		}
		reply, command := "-ERR unknown command 'HELLO'\r\n", strings.ToUpper(words[0])
		if command != "HELLO" {
			reply = answer(command)
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

func readCount(r *bufio.Reader, sign string) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, sign)))
}
