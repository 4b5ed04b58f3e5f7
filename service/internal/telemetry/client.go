package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/web/internal/config"
)

// client posts spans: it is the transport of the library's exporter. The library has one, otlptracehttp, which also
// retries and compresses, but it links all of gRPC and doubles the binary.
type client struct {
	to   config.Traces
	http http.Client
}

func newClient(to config.Traces) *client {
	return &client{to: to, http: http.Client{Timeout: to.Timeout}}
}

// Start has nothing to do: the first post connects.
func (c *client) Start(context.Context) error { return nil }

// Stop ends the connections.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces posts a batch. TracesData is, byte for byte, the ExportTraceServiceRequest of the protocol.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.to.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range c.to.Headers {
		request.Header.Set(name, value.Reveal())
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) // so that the connection can be used again
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answers %s", c.to.URL, response.Status)
	}
	return nil
}
