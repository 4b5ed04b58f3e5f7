// Package server answers requests.
package server

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/web/internal/config"
	"example.com/web/internal/hits"
	"example.com/web/internal/telemetry"
)

// Build is what the binary was made from.
type Build struct{ Version, Revision string }

// Server is the service's http.Handler.
type Server struct {
	settings config.Config
	counter  *hits.Counter
	log      *slog.Logger
	build    Build
	hostname string
	draining atomic.Bool
	handler  http.Handler
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// New puts the routes and the metrics together.
func New(settings config.Config, counter *hits.Counter, log *slog.Logger, build Build) *Server {
	hostname, _ := os.Hostname()
	s := &Server{settings: settings, counter: counter, log: log, build: build, hostname: hostname}
	s.requests = prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "http_requests_total", Help: "Requests by route, method and status code."},
		[]string{"route", "method", "code"})
	s.duration = prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Name: "http_request_duration_seconds", Help: "Time to answer, by route.", Buckets: prometheus.DefBuckets},
		[]string{"route"})
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "environment": settings.Environment},
	})
	info.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.requests, s.duration, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	routes := http.NewServeMux()
	routes.Handle("GET /{$}", s.observe("/", http.HandlerFunc(s.answer)))
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /readyz", s.ready)
	routes.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	routes.Handle("/", s.observe("other", http.NotFoundHandler()))
	s.handler = routes
	return s
}

// Drain makes the service unready: it still answers, but wants no more.
func (s *Server) Drain() { s.draining.Store(true) }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		reply(w, http.StatusServiceUnavailable, "shutting down")
		return
	}
	reply(w, http.StatusOK, "ready")
}

// answer says who answers; without Redis it says so and answers all the same.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{
		"service":         "web",
		"environment":     s.settings.Environment,
		"greeting":        s.settings.Greeting,
		"version":         s.build.Version,
		"revision":        s.build.Revision,
		"hostname":        s.hostname,
		"tokenConfigured": s.settings.APIToken != "",
	}
	if s.counter.Enabled() {
		if sum, err := s.counter.Add(r.Context()); err != nil {
			s.log.Warn("redis is unavailable", "error", err)
			body["redis"] = "unavailable"
		} else {
			body["redis"], body["hits"] = "ok", sum
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.log.Warn("answer was not sent", "error", err)
	}
}

// observe measures, traces and logs a route.
func (s *Server) observe(route string, next http.Handler) http.Handler {
	return telemetry.Trace(route, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorder := &recorder{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(recorder, r)
		took := time.Since(began)
		s.requests.WithLabelValues(route, r.Method, strconv.Itoa(recorder.code)).Inc()
		s.duration.WithLabelValues(route).Observe(took.Seconds())
		s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "code", recorder.code, "ms", took.Milliseconds())
	}))
}

type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func reply(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n"))
}
