package telemetry

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/web/internal/config"
)

func TestSpansReachTheCollector(t *testing.T) {
	const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var asked *http.Request
	var sent tracepb.TracesData
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil {
			t.Error(err)
		}
		asked = r
	}))
	defer collector.Close()
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=web-1")
	to := config.Traces{URL: collector.URL + "/v1/traces", Timeout: time.Second, Headers: map[string]config.Secret{"x-token": "abc"}}
	flush, err := Start(t.Context(), to, "web", "v1", "test")
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/some", nil)
	request.Header.Set("traceparent", caller)
	_, end := Request(request, http.MethodGet)
	end("/{what}", http.StatusBadGateway)
	flush()

	if asked == nil {
		t.Fatal("nothing was sent")
	}
	if asked.URL.Path != "/v1/traces" || asked.Header.Get("X-Token") != "abc" || asked.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s %v", asked.URL, asked.Header)
	}
	about := map[string]string{}
	for _, one := range sent.ResourceSpans[0].Resource.Attributes {
		about[one.Key] = one.Value.GetStringValue()
	}
	for key, want := range map[string]string{
		"service.name": "web", "service.version": "v1", "deployment.environment.name": "test", "k8s.pod.name": "web-1",
	} {
		if about[key] != want {
			t.Errorf("%s is %q, want %q", key, about[key], want)
		}
	}
	span := sent.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if span.Name != "GET /{what}" || span.Kind != tracepb.Span_SPAN_KIND_SERVER || span.Status.Code != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("%v", span)
	}
	if trace, parent := hex.EncodeToString(span.TraceId), hex.EncodeToString(span.ParentSpanId); trace != caller[3:35] || parent != caller[36:52] {
		t.Errorf("trace %s, parent %s", trace, parent)
	}
}

func TestNobodyListens(t *testing.T) {
	collector := httptest.NewServer(http.NotFoundHandler())
	collector.Close()
	for _, url := range []string{"", collector.URL} {
		flush, err := Start(t.Context(), config.Traces{URL: url, Timeout: time.Second}, "web", "v1", "test")
		if err != nil {
			t.Fatal(err)
		}
		_, end := Request(httptest.NewRequest(http.MethodGet, "/", nil), http.MethodGet)
		end("/", http.StatusOK)
		began := time.Now()
		if flush(); time.Since(began) > 3*time.Second {
			t.Errorf("%q: the end took %s", url, time.Since(began))
		}
	}
}
