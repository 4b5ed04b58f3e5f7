package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServeMetrics answers /metrics alone, on a port that no route of the cluster leads to, until the listener is closed.
func (s *Server) ServeMetrics(listener net.Listener) error {
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", s.metrics)
	web := &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	return web.Serve(listener)
}

// Serve answers until ctx ends, then stops in the order that loses no request: become unready, give the load balancers
// time to notice, refuse new connections, finish the requests there are.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelError),
	}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.log.Info("shutting down", "delay", s.settings.ShutdownDelay.String(), "timeout", s.settings.ShutdownTimeout.String())
	select {
	case err := <-failed:
		return err
	case <-time.After(s.settings.ShutdownDelay):
	}
	deadline, cancel := context.WithTimeout(context.Background(), s.settings.ShutdownTimeout)
	defer cancel()
	if err := web.Shutdown(deadline); err != nil {
		_ = web.Close()
		return fmt.Errorf("requests were cut off after SHUTDOWN_TIMEOUT=%s: %w", s.settings.ShutdownTimeout, err)
	}
	s.log.Info("stopped")
	return nil
}
