package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A naivePoller is what a good programmer writes in an afternoon, and what the bridge is compared with. It remembers the
// greatest updated_at of each list, asks for what is later, follows the links to the next pages, tells each row that it
// has not seen yet in this version, and waits until NATS has it. It tries again what fails, waits when it is told to,
// and keeps its marks in a file, which is written whole, after each round. Nothing of it is foolish.
type naivePoller struct {
	Base, Key string // of the API
	NATS      string
	File      string // of the marks
	Resources []string
	Every     time.Duration

	js    jetstream.JetStream
	marks map[string]string // the greatest updated_at of each resource
	seen  map[string]string // the updated_at of each row of this process
}

// naiveRound is what it prints after each round, as JSON: the marks.
type naiveRound struct{ Marks map[string]string }

// naiveMain is the poller as a program: NAIVE_POLLER has its settings as JSON.
func naiveMain() {
	p := &naivePoller{marks: map[string]string{}, seen: map[string]string{}}
	err := json.Unmarshal([]byte(os.Getenv("NAIVE_POLLER")), p)
	if err == nil {
		err = p.run(context.Background())
	}
	_, _ = fmt.Fprintln(os.Stderr, "naive poller:", err)
	os.Exit(1)
}

func (p *naivePoller) run(ctx context.Context) error {
	nc, err := nats.Connect(p.NATS, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	if p.js, err = jetstream.New(nc); err != nil {
		return err
	}
	text, err := os.ReadFile(p.File)
	if err == nil {
		err = json.Unmarshal(text, &p.marks)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for tick := time.NewTicker(p.Every); ; <-tick.C {
		marks := maps.Clone(p.marks)
		for _, r := range p.Resources {
			mark, err := p.poll(ctx, r, marks[r])
			if err != nil {
				_, _ = fmt.Fprintln(os.Stderr, "naive poller:", err)
				continue // next time; the mark has not moved
			}
			marks[r] = mark
		}
		if err := p.save(marks); err != nil {
			return err
		}
	}
}

// save writes the marks to the file, and says that a round is done.
func (p *naivePoller) save(marks map[string]string) error {
	text, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.File+".new", text, 0o600); err != nil {
		return err
	}
	if err := os.Rename(p.File+".new", p.File); err != nil {
		return err
	}
	p.marks = marks
	return json.NewEncoder(os.Stdout).Encode(naiveRound{marks})
}

// poll tells what of resource is later than mark, and returns the next mark. The first time it only looks.
func (p *naivePoller) poll(ctx context.Context, resource, mark string) (string, error) {
	query := url.Values{"sort": {"updated_at"}, "per_page": {"100"}}
	if mark != "" {
		query.Set("q[]", "updated_at:>"+mark)
	}
	next, newest := p.Base+"/"+resource+"?"+query.Encode(), mark
	for next != "" {
		var page map[string]json.RawMessage
		if err := p.get(ctx, next, &page); err != nil {
			return "", err
		}
		var rows []json.RawMessage
		if err := json.Unmarshal(page[resource], &rows); err != nil {
			return "", err
		}
		for _, raw := range rows {
			var row struct {
				ID        string
				UpdatedAt string `json:"updated_at"`
			}
			if err := json.Unmarshal(raw, &row); err != nil {
				return "", err
			}
			newest = max(newest, row.UpdatedAt)
			name := resource + "/" + row.ID
			if p.seen[name] == row.UpdatedAt {
				continue
			}
			if mark != "" {
				if _, err := p.js.Publish(ctx, "naive."+resource+"."+row.ID, raw); err != nil {
					return "", err
				}
			}
			p.seen[name] = row.UpdatedAt
		}
		var links struct{ Next string }
		if err := json.Unmarshal(page["links"], &links); err != nil {
			return "", err
		}
		next = links.Next
	}
	return newest, nil
}

// get tries three times, and waits as long as the API says that it is to.
func (p *naivePoller) get(ctx context.Context, address string, page any) (err error) {
	for try := range 3 {
		var wait time.Duration
		if wait, err = p.ask(ctx, address, page); err == nil {
			return nil
		}
		time.Sleep(max(wait, time.Duration(try+1)*500*time.Millisecond))
	}
	return err
}

// ask sends one request. After a refusal wait says for how long to wait, 0 if the API has not said.
func (p *naivePoller) ask(ctx context.Context, address string, page any) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(p.Key, "")
	req.Header.Set("User-Agent", "Naive Poller (ops@clinic.example)")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		if reset, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			wait = time.Until(time.Unix(reset, 0))
		}
		return wait, fmt.Errorf("%s: %s", strings.SplitN(address, "?", 2)[0], resp.Status)
	}
	return 0, json.Unmarshal(body, page)
}
