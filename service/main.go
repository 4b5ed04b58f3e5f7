// Command web is a small HTTP service: an answer, health, metrics, and a shutdown that loses no request.
package main

import (
	"context"
	"errors"
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

// Set by the linker: -X main.version=… -X main.revision=….
var (
	version  = "dev"
	revision = "unknown"
)

func main() {
	check := flag.String("check", "", "GET this URL and exit 0 if it answers 200: for probes and tests without a shell")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	switch {
	case *showVersion:
		fmt.Println(version, revision)
	case *check != "":
		exitOn(probe(*check))
	default:
		exitOn(run())
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func probe(url string) error {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

func run() error {
	settings, err := config.Load(os.LookupEnv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: settings.LogLevel}))
	log = log.With("service", "web", "version", version, "environment", settings.Environment)
	slog.SetDefault(log)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	endTraces, err := telemetry.Start(ctx, settings.TraceEndpoint, version, settings.Environment)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	counter := hits.New(settings.RedisAddr, settings.RedisPassword)
	defer counter.Close()
	service := server.New(settings, counter, log, server.Build{Version: version, Revision: revision})

	listener, err := net.Listen("tcp", fmt.Sprintf(":%d", settings.Port))
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "revision", revision)
	if err := serve(ctx, listener, service, settings); err != nil {
		return err
	}
	flush, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return endTraces(flush)
}

// serve answers until ctx ends, then stops in the order that loses no request: become unready, give the endpoints time
// to notice, refuse new connections, finish the ones there are.
func serve(ctx context.Context, listener net.Listener, service *server.Server, settings config.Config) error {
	web := &http.Server{Handler: service, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	service.Drain()
	slog.Info("shutting down", "delay", settings.ShutdownDelay.String())
	time.Sleep(settings.ShutdownDelay)
	deadline, cancel := context.WithTimeout(context.Background(), settings.ShutdownTimeout)
	defer cancel()
	if err := web.Shutdown(deadline); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
