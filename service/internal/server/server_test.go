package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/web/internal/config"
)

var build = Build{Service: "web", Version: "v1", Revision: "abc"}

// fakeCounter counts, or fails with what it holds.
type fakeCounter struct {
	sum int64
	err error
}

func (c *fakeCounter) Add(context.Context) (int64, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.sum++
	return c.sum, nil
}

func service(settings config.Config, counter Counter, log io.Writer) *Server {
	return New(settings, build, counter, slog.New(slog.NewJSONHandler(log, nil)))
}

func ask(s *Server, method, path string) *httptest.ResponseRecorder {
	response := httptest.NewRecorder()
	s.ServeHTTP(response, httptest.NewRequest(method, path, nil))
	return response
}

func TestRoutes(t *testing.T) {
	s := service(config.Config{}, nil, io.Discard)
	drained := service(config.Config{}, nil, io.Discard)
	drained.draining.Store(true)
	for _, one := range []struct {
		method, path      string
		code, whenDrained int
	}{
		{"GET", "/", 200, 200},
		{"HEAD", "/", 200, 200},
		{"POST", "/", 405, 405},
		{"GET", "/healthz", 200, 200},
		{"GET", "/readyz", 200, 503},
		{"GET", "/metrics", 200, 200},
		{"GET", "/nope", 404, 404},
	} {
		if got := ask(s, one.method, one.path).Code; got != one.code {
			t.Errorf("%s %s: %d, want %d", one.method, one.path, got, one.code)
		}
		response := ask(drained, one.method, one.path)
		if response.Code != one.whenDrained || response.Header().Get("Connection") != "close" {
			t.Errorf("%s %s, drained: %d, want %d; %v", one.method, one.path, response.Code, one.whenDrained, response.Header())
		}
	}
}

func TestAnswer(t *testing.T) {
	who := map[string]any{"service": "web", "environment": "test", "greeting": "hi", "version": "v1", "revision": "abc"}
	for name, one := range map[string]struct {
		token   config.Secret
		counter Counter
		want    map[string]any
		without []string
	}{
		"plain":      {want: map[string]any{"tokenConfigured": false}, without: []string{"redis", "hits"}},
		"with token": {token: "s3cret", want: map[string]any{"tokenConfigured": true}},
		"with redis": {counter: &fakeCounter{sum: 6}, want: map[string]any{"redis": "ok", "hits": 7.0}},
		"redis down": {counter: &fakeCounter{err: errors.New("refused")}, want: map[string]any{"redis": "unavailable"}, without: []string{"hits"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := service(config.Config{Environment: "test", Greeting: "hi", APIToken: one.token}, one.counter, io.Discard)
			response := ask(s, "GET", "/")
			if response.Code != 200 || response.Header().Get("Content-Type") != "application/json" || strings.Contains(response.Body.String(), "s3cret") {
				t.Fatalf("%d %s %s", response.Code, response.Header(), response.Body)
			}
			var got map[string]any
			if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for _, wanted := range []map[string]any{who, one.want} {
				for key, want := range wanted {
					if got[key] != want {
						t.Errorf("%s is %v, want %v", key, got[key], want)
					}
				}
			}
			for _, key := range one.without {
				if value, there := got[key]; there {
					t.Errorf("%s is %v, and should not be", key, value)
				}
			}
			if code := ask(s, "GET", "/readyz").Code; code != 200 {
				t.Errorf("readyz: %d", code)
			}
		})
	}
}

func TestRedisGoesAndComesBack(t *testing.T) {
	var log bytes.Buffer
	counter := &fakeCounter{}
	s := service(config.Config{}, counter, &log)
	for _, err := range []error{nil, io.EOF, io.EOF, nil, nil} {
		counter.err = err
		ask(s, "GET", "/")
	}
	for message, want := range map[string]int{"redis is unavailable": 1, "redis is back": 1} {
		if got := strings.Count(log.String(), message); got != want {
			t.Errorf("%q %d times, want %d", message, got, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := service(config.Config{Environment: "dev"}, nil, io.Discard)
	for _, request := range []string{"GET /", "GET /", "POST /", "GET /nope", "INVENTED /", "GET /healthz"} {
		method, path, _ := strings.Cut(request, " ")
		ask(s, method, path)
	}
	text := ask(s, "GET", "/metrics").Body.String()
	for _, line := range []string{
		`http_requests_total{code="200",method="GET",route="/"} 2`,
		`http_requests_total{code="405",method="POST",route="other"} 1`,
		`http_requests_total{code="404",method="GET",route="other"} 1`,
		`http_requests_total{code="405",method="other",route="other"} 1`,
		`http_requests_total{code="200",method="GET",route="/healthz"} 1`,
		`http_request_duration_seconds_count{code="200",method="GET",route="/"} 2`,
		`http_request_duration_seconds_bucket{code="200",method="GET",route="/",le="0.3"} 2`,
		`build_info{environment="dev",revision="abc",version="v1"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%s is missing", line)
		}
	}
}

func TestMetricsOnAPortOfTheirOwn(t *testing.T) {
	s := service(config.Config{Port: 1, MetricsPort: 2}, nil, io.Discard)
	if code := ask(s, "GET", "/metrics").Code; code != http.StatusNotFound {
		t.Errorf("the service's port answers %d", code)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() { _ = s.ServeMetrics(listener) }()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound} {
		if code := get("http://" + listener.Addr().String() + path); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestBucketsAreNoFurtherApartThanTheGuardForgives(t *testing.T) {
	for i, limit := range buckets[1:] {
		if before := buckets[i]; limit > before*1.501 {
			t.Errorf("a p99 of %v may look like one of %v", before, limit)
		}
	}
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	s := service(config.Config{}, nil, &log)
	ask(s, "GET", "/healthz")
	ask(s, "GET", "/nope")
	var line struct {
		Msg, Method, Path string
		Code              int
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatalf("not one line: %v: %s", err, &log)
	}
	if line.Msg != "request" || line.Method != "GET" || line.Path != "/nope" || line.Code != 404 {
		t.Errorf("%+v", line)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	s := service(config.Config{}, panicking{}, io.Discard)
	func() {
		defer func() { _ = recover() }()
		ask(s, "GET", "/")
	}()
	if text := ask(s, "GET", "/metrics").Body.String(); !strings.Contains(text, `http_requests_total{code="500",method="GET",route="/"} 1`) {
		t.Error("it was not counted")
	}
}

type panicking struct{}

func (panicking) Add(context.Context) (int64, error) { panic("oops") }
