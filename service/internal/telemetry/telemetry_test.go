package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

func TestSpansReachTheEndpoint(t *testing.T) {
	type received struct {
		path string
		body request
	}
	got := make(chan received, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sent := received{path: r.URL.Path}
		if err := json.NewDecoder(r.Body).Decode(&sent.body); err != nil {
			t.Error(err)
		}
		got <- sent
	}))
	defer collector.Close()
	end, err := Start(context.Background(), collector.URL, "v1", "test")
	if err != nil {
		t.Fatal(err)
	}
	handler := Trace("/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if err := end(context.Background()); err != nil {
		t.Fatal(err)
	}
	sent := <-got
	if sent.path != "/v1/traces" {
		t.Errorf("sent to %s", sent.path)
	}
	spans := sent.body.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 1 || spans[0].Name != "GET /" || len(spans[0].TraceID) != 32 || spans[0].Kind != 2 {
		t.Errorf("%+v", spans)
	}
	var about []string
	for _, one := range sent.body.ResourceSpans[0].Resource.Attributes {
		about = append(about, fmt.Sprint(one.Key, "=", one.Value["stringValue"]))
	}
	if !slices.Contains(about, "service.version=v1") || !slices.Contains(about, "deployment.environment.name=test") {
		t.Errorf("%v", about)
	}
}

func TestWithoutAnEndpointNothingStarts(t *testing.T) {
	end, err := Start(context.Background(), "", "v1", "test")
	if err != nil || end(context.Background()) != nil {
		t.Fatal("it did not stay silent")
	}
}
