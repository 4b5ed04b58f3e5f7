// Command web is a small HTTP service: an answer, health, metrics, traces, and a shutdown that loses no request.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/web/internal/config"
	"example.com/web/internal/hits"
	"example.com/web/internal/server"
	"example.com/web/internal/telemetry"
)

const name = "web"

// Set by the linker: -X main.version=… -X main.revision=….
var (
	version  = "dev"
	revision = "unknown"
)

func main() {
	url := flag.String("check", "", "GET `URL`, exit 0 if it answers 200: for tests in an image without a shell")
	showVersion := flag.Bool("version", false, "print version and revision, and exit")
	flag.Parse()

	var err error
	switch {
	case flag.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *showVersion:
		fmt.Println(version, revision)
	case *url != "":
		err = check(*url)
	default:
		err = run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// run serves until a signal.
func run() error {
	settings, err := config.Load(os.LookupEnv)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: settings.LogLevel}))
	log = log.With("service", name, "version", version, "environment", settings.Environment)
	slog.SetDefault(log)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	flush, err := telemetry.Start(ctx, settings.Traces, name, version, settings.Environment)
	if err != nil {
		return err
	}
	defer flush()

	var counter server.Counter
	if settings.RedisAddr != "" {
		redis := hits.New(settings.RedisAddr, settings.RedisPassword.Reveal())
		defer func() { _ = redis.Close() }()
		counter = redis
	}

	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.Port))
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "revision", revision,
		"redis", settings.RedisAddr, "traces", settings.Traces.URL)
	build := server.Build{Service: name, Version: version, Revision: revision}
	service := server.New(settings, build, counter, log)
	if settings.MetricsPort != settings.Port {
		metrics, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.MetricsPort))
		if err != nil {
			return err
		}
		go func() { log.Error("no more metrics", "error", service.ServeMetrics(metrics)) }()
	}
	return service.Serve(ctx, listener)
}

// check asks a URL, as a probe does.
func check(url string) error {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
