// Package telemetry sends traces over OTLP, where somebody listens.
package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Start begins to trace; the function it returns sends what is left. Without an endpoint nothing is traced.
// The sampler, the batcher and the resource read their OTEL_* variables themselves.
func Start(ctx context.Context, endpoint, version, environment string) (func(context.Context) error, error) {
	if endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "web"),
		attribute.String("service.version", version),
		attribute.String("deployment.environment.name", environment),
	), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(newExporter(endpoint)), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return provider.Shutdown, nil
}

// Trace makes every request of a route a span.
func Trace(route string, next http.Handler) http.Handler {
	name := func(_ string, r *http.Request) string { return r.Method + " " + route }
	return otelhttp.NewHandler(next, route, otelhttp.WithSpanNameFormatter(name))
}
