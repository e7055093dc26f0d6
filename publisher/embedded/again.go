package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
)

// room is how many bytes have to fit on the disk before the server is started again: a page of long records, and what the
// server writes about it.
const room = 4 << 20

// InProcessConn is nats.InProcessConnProvider's: a connection to the server that runs now.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ns.InProcessConn()
}

// Full says that the server has met a full disk: it stores nothing until StartAgain, and answers nobody who publishes.
func (s *Server) Full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs.full.Load()
}

// StartAgain stops the server and starts it at the same address. A server that met a full disk writes nothing any more until
// it is started again (nats-server 2.15: the error of a write is kept with the stream), and what it has acknowledged is
// safe. It returns an error and leaves the server alone as long as there is no room. Connections are lost, and come back.
func (s *Server) StartAgain() error {
	if err := s.roomy(); err != nil {
		return fmt.Errorf("embedded nats: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	ns, logs, err := run(options(s.dir, s.host, s.port), s.logger)
	if err != nil {
		return fmt.Errorf("embedded nats: start again: %w", err) // and may be tried again
	}
	s.ns, s.logs = ns, logs
	return nil
}

// roomy tries whether the disk takes as much as it should.
func (s *Server) roomy() error {
	f, err := os.CreateTemp(s.dir, "room.*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, room))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}
