package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/web/internal/config"
	"example.com/web/internal/hits"
)

func service(settings config.Config, redis string) *Server {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	return New(settings, hits.New(redis, ""), log, Build{Version: "v1", Revision: "abc"})
}

func get(s *Server, path string) *httptest.ResponseRecorder {
	response := httptest.NewRecorder()
	s.ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, nil))
	return response
}

func TestRoutes(t *testing.T) {
	s := service(config.Config{}, "")
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200, "/nope": 404} {
		if got := get(s, path).Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestAnswerSaysWhoAnswersAndNoSecret(t *testing.T) {
	response := get(service(config.Config{Environment: "test", Greeting: "hi", APIToken: "s3cret"}, ""), "/")
	var body map[string]any
	if err := json.Unmarshal(response.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if body["environment"] != "test" || body["greeting"] != "hi" || body["version"] != "v1" || body["tokenConfigured"] != true {
		t.Errorf("%v", body)
	}
	if _, asked := body["redis"]; asked {
		t.Error("redis is mentioned though there is none")
	}
	if strings.Contains(response.Body.String(), "s3cret") {
		t.Error("the token is in the answer")
	}
}

func TestRedisDownDegrades(t *testing.T) {
	s := service(config.Config{}, "127.0.0.1:1")
	response := get(s, "/")
	if response.Code != 200 || !strings.Contains(response.Body.String(), `"redis":"unavailable"`) {
		t.Errorf("%d %s", response.Code, response.Body)
	}
	if got := get(s, "/readyz").Code; got != 200 {
		t.Errorf("readyz: %d", got)
	}
}

func TestDrainingIsUnreadyButAlive(t *testing.T) {
	s := service(config.Config{}, "")
	s.Drain()
	for path, want := range map[string]int{"/readyz": 503, "/healthz": 200, "/": 200} {
		if got := get(s, path).Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := service(config.Config{Environment: "dev"}, "")
	get(s, "/")
	get(s, "/nope")
	text := get(s, "/metrics").Body.String()
	for _, line := range []string{
		`http_requests_total{code="200",method="GET",route="/"} 1`,
		`http_requests_total{code="404",method="GET",route="other"} 1`,
		`build_info{environment="dev",revision="abc",version="v1"} 1`,
		"http_request_duration_seconds_bucket",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%s is missing", line)
		}
	}
}
