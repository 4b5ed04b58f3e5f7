package server

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/trace"

	"example.com/web/internal/telemetry"
)

// metrics are rate, errors and duration of the requests.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// buckets are each at most half more than the one before: a p99 that moves into the next is no doubled one.
var buckets = []float64{
	.005, .0075, .01, .015, .02, .03, .045, .067, .1, .15, .2, .3, .45, .67, 1, 1.5, 2, 3, 4.5, 6.7, 10,
}

func newMetrics(registry *prometheus.Registry, build Build, environment string) metrics {
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	auto := promauto.With(registry)
	auto.NewGauge(prometheus.GaugeOpts{
		Name:        "build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "environment": environment},
	}).Set(1)
	labels := []string{"route", "method", "code"}
	return metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests by route, method and status code.",
		}, labels),
		duration: auto.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time to answer, by route, method and status code.",
			Buckets: buckets,
		}, labels),
	}
}

// quiet are the paths that machines ask for all day: no spans, and a line in the log for debugging only.
var quiet = []string{"/healthz", "/readyz", "/metrics"}

// observe measures, traces and logs every request.
func (s *Server) observe(routes *http.ServeMux, to metrics) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, method, level := time.Now(), methodOf(r), slog.LevelInfo
		end := func(string, int) {}
		if slices.Contains(quiet, r.URL.Path) {
			level = slog.LevelDebug
		} else {
			r, end = telemetry.Request(r, method)
		}
		if s.draining.Load() {
			w.Header().Set("Connection", "close") // the caller's next connection finds another pod
		}
		recorder := &recorder{ResponseWriter: w, code: http.StatusOK}
		panics := true
		defer func() { // a panic goes on to net/http, which logs it and cuts the connection
			if panics {
				recorder.code = http.StatusInternalServerError
			}
			route, took := routeOf(r), time.Since(began)
			to.requests.WithLabelValues(route, method, strconv.Itoa(recorder.code)).Inc()
			to.duration.WithLabelValues(route, method, strconv.Itoa(recorder.code)).Observe(took.Seconds())
			end(route, recorder.code)
			attributes := []slog.Attr{
				slog.String("method", method), slog.String("path", r.URL.Path), slog.Int("code", recorder.code),
				slog.Float64("ms", float64(took.Microseconds())/1000),
			}
			if span := trace.SpanContextFromContext(r.Context()); span.IsSampled() {
				attributes = append(attributes, slog.String("trace_id", span.TraceID().String()))
			}
			s.log.LogAttrs(r.Context(), level, "request", attributes...)
		}()
		routes.ServeHTTP(recorder, r)
		panics = false
	})
}

// routeOf is the pattern that took the request, without the method; there are as many as there are routes, and other.
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		return "other"
	}
	return strings.TrimSuffix(path, "{$}")
}

// methodOf keeps callers from inventing values of a label.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// recorder remembers the status code.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
