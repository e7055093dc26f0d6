package admin

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// recheck is how often it is looked whether those who follow /live may still do so.
const recheck = 2 * time.Second

// live is Deps.Live, for as long as whoever follows it may: it lasts for days, and a token that is changed is to end it as it
// ends all else.
//
// Few may follow at once. A page of another site that somebody has open can read nothing of it, and could take all the places: it
// is refused as if it asked for a wish.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	asWish := r.WithContext(r.Context())
	asWish.Method = http.MethodPost // what is asked for with GET passes unseen
	if s.crossOrigin.Check(asWish) != nil {
		http.Error(w, "a page of another site can follow nothing here", http.StatusForbidden)
		return
	}
	if s.local() {
		s.deps.Live.ServeHTTP(w, r)
		return
	}
	ctx, end := context.WithCancel(r.Context())
	var watched sync.WaitGroup
	defer watched.Wait()
	defer end()
	watched.Go(func() {
		tick := time.NewTicker(recheck)
		defer tick.Stop()
		for s.allowed(r, basic) == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		end()
	})
	s.deps.Live.ServeHTTP(w, r.WithContext(ctx))
}
