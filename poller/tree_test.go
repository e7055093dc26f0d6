package poller

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// tree is a Source with many addresses: a list or an object at each. Whatever else is asked for answers 404.
type tree struct {
	mu       sync.Mutex // guards all below while it is asked
	lists    map[string]*list
	objects  map[string]string
	failures map[string]error // answered as long as they stand
	asked    []string         // paths
	lanes    []cliniko.Lane   // of asked
	now      int
	// answer, if non-nil, is asked for objects first. It knows nothing of those that it answers with "".
	answer func(q cliniko.Query) (string, error)
	// before, if non-nil, is called before each request is answered.
	before func(path string)
}

func newTree() *tree {
	return &tree{lists: map[string]*list{}, objects: map[string]string{}, failures: map[string]error{}}
}

// at is the list at path, made if there is none.
func (s *tree) at(path string) *list {
	if s.lists[path] == nil {
		s.lists[path] = newList()
	}
	s.lists[path].now = s.now
	return s.lists[path]
}

func (s *tree) count(path string) (n int) {
	for _, p := range s.asked {
		if p == path {
			n++
		}
	}
	return n
}

func (s *tree) begin(ctx context.Context, q cliniko.Query) error {
	if s.before != nil {
		s.before(q.Path)
	}
	s.asked, s.lanes = append(s.asked, q.Path), append(s.lanes, q.Lane)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.failures[q.Path]
}

func notFound(path string) error {
	return &cliniko.Error{Kind: cliniko.NotFound, Path: path, Status: 404}
}

func (s *tree) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, q); err != nil {
		return cliniko.Page{}, err
	}
	if s.lists[q.Path] == nil {
		return cliniko.Page{}, notFound(q.Path)
	}
	return s.at(q.Path).List(ctx, q)
}

func (s *tree) Get(ctx context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx, q); err != nil {
		return nil, time.Time{}, err
	}
	if s.answer != nil {
		if object, err := s.answer(q); object != "" || err != nil {
			return []byte(object), at(s.now), err
		}
	}
	if s.objects[q.Path] == "" {
		return nil, time.Time{}, notFound(q.Path)
	}
	return slices.Clone([]byte(s.objects[q.Path])), at(s.now), nil
}

func (s *tree) Reserve(ctx context.Context, _ cliniko.Lane) error { return ctx.Err() }
