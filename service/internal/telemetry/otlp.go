package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans as OTLP over HTTP in its JSON encoding. The library's exporter brings all of gRPC with it and
// doubles the image; what it does for a service like this one is here.
type exporter struct {
	url    string
	client http.Client
}

func newExporter(endpoint string) *exporter {
	return &exporter{
		url:    strings.TrimSuffix(endpoint, "/") + "/v1/traces",
		client: http.Client{Timeout: 5 * time.Second},
	}
}

// The part of the OTLP schema that spans need: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributes   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributes struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		ParentSpanID string     `json:"parentSpanId,omitempty"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        string     `json:"startTimeUnixNano"`
		End          string     `json:"endTimeUnixNano"`
		Attributes   []keyValue `json:"attributes"`
		Status       struct {
			Code int `json:"code"`
		} `json:"status"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// statusCodes maps the SDK's Unset, Error, Ok to OTLP's.
var statusCodes = map[uint32]int{0: 0, 1: 2, 2: 1}

// ExportSpans sends a batch, all of one resource.
func (e *exporter) ExportSpans(ctx context.Context, ended []trace.ReadOnlySpan) error {
	if len(ended) == 0 {
		return nil
	}
	scope := scopeSpans{}
	scope.Scope.Name = ended[0].InstrumentationScope().Name
	for _, one := range ended {
		sent := span{
			TraceID:    one.SpanContext().TraceID().String(),
			SpanID:     one.SpanContext().SpanID().String(),
			Name:       one.Name(),
			Kind:       int(one.SpanKind()),
			Start:      strconv.FormatInt(one.StartTime().UnixNano(), 10),
			End:        strconv.FormatInt(one.EndTime().UnixNano(), 10),
			Attributes: keyValues(one.Attributes()),
		}
		if one.Parent().IsValid() {
			sent.ParentSpanID = one.Parent().SpanID().String()
		}
		sent.Status.Code = statusCodes[uint32(one.Status().Code)]
		scope.Spans = append(scope.Spans, sent)
	}
	body, err := json.Marshal(request{[]resourceSpans{{
		Resource:   attributes{keyValues(ended[0].Resource().Attributes())},
		ScopeSpans: []scopeSpans{scope},
	}}})
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	post.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(post)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", e.url, response.Status)
	}
	return nil
}

// Shutdown has nothing left to send: the batcher before it has.
func (e *exporter) Shutdown(context.Context) error { return nil }

func keyValues(from []attribute.KeyValue) []keyValue {
	to := make([]keyValue, 0, len(from))
	for _, one := range from {
		value := map[string]any{"stringValue": one.Value.Emit()}
		switch one.Value.Type() {
		case attribute.INT64:
			value = map[string]any{"intValue": one.Value.Emit()}
		case attribute.BOOL:
			value = map[string]any{"boolValue": one.Value.AsBool()}
		case attribute.FLOAT64:
			value = map[string]any{"doubleValue": one.Value.AsFloat64()}
		}
		to = append(to, keyValue{string(one.Key), value})
	}
	return to
}
