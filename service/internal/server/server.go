// Package server answers requests, and stops without losing one.
package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/web/internal/config"
)

// Build is what the binary was made from.
type Build struct{ Service, Version, Revision string }

// Counter counts answers.
type Counter interface {
	Add(context.Context) (int64, error)
}

// Server is the service's http.Handler.
type Server struct {
	settings config.Config
	build    Build
	hostname string
	counter  Counter
	log      *slog.Logger
	handler  http.Handler
	metrics  http.Handler
	draining atomic.Bool
	degraded atomic.Bool
}

// New puts the routes together. A nil counter counts nothing.
func New(settings config.Config, build Build, counter Counter, log *slog.Logger) *Server {
	hostname, _ := os.Hostname()
	s := &Server{settings: settings, build: build, hostname: hostname, counter: counter, log: log}
	registry := prometheus.NewRegistry()
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", s.answer)
	routes.HandleFunc("GET /healthz", s.healthy)
	routes.HandleFunc("GET /readyz", s.ready)
	s.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	if settings.MetricsPort == settings.Port {
		routes.Handle("GET /metrics", s.metrics)
	}
	s.handler = s.observe(routes, newMetrics(registry, build, settings.Environment))
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

type answer struct {
	Service         string `json:"service"`
	Environment     string `json:"environment"`
	Greeting        string `json:"greeting"`
	Version         string `json:"version"`
	Revision        string `json:"revision"`
	Hostname        string `json:"hostname"`
	TokenConfigured bool   `json:"tokenConfigured"`
	Redis           string `json:"redis,omitempty"` // ok, unavailable, or no word of it
	Hits            int64  `json:"hits,omitempty"`
}

// answer says who answers.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	body := answer{
		Service:         s.build.Service,
		Environment:     s.settings.Environment,
		Greeting:        s.settings.Greeting,
		Version:         s.build.Version,
		Revision:        s.build.Revision,
		Hostname:        s.hostname,
		TokenConfigured: s.settings.APIToken != "",
	}
	if s.counter != nil {
		body.Redis, body.Hits = s.count(r.Context())
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.log.DebugContext(r.Context(), "the caller is gone", "error", err)
	}
}

// count does without Redis where it must, and says so once.
func (s *Server) count(ctx context.Context) (state string, sum int64) {
	sum, err := s.counter.Add(ctx)
	switch {
	case ctx.Err() != nil: // the caller is gone: that says nothing about Redis
		return "unavailable", 0
	case err != nil:
		if !s.degraded.Swap(true) {
			s.log.WarnContext(ctx, "redis is unavailable, answers are not counted", "error", err)
		}
		return "unavailable", 0
	case s.degraded.Swap(false):
		s.log.InfoContext(ctx, "redis is back")
	}
	return "ok", sum
}

// healthy says that the process works: nothing that a restart would not cure belongs here.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "ok\n") }

// ready says whether to send requests. Redis is no part of it: without it all pods would be unready at once.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		reply(w, http.StatusServiceUnavailable, "shutting down\n")
		return
	}
	reply(w, http.StatusOK, "ready\n")
}

func reply(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}
