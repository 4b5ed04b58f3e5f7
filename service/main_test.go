package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/web/internal/config"
	"example.com/web/internal/hits"
	"example.com/web/internal/server"
)

func TestShutdownFinishesWhatItStarted(t *testing.T) {
	settings, err := config.Load(func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	settings.ShutdownDelay = 200 * time.Millisecond
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	service := server.New(settings, hits.New("", ""), log, server.Build{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, service, settings) }()

	if got := status(t, url+"/readyz"); got != http.StatusOK {
		t.Fatalf("ready: %d", got)
	}
	stop()
	deadline := time.Now().Add(time.Second)
	for status(t, url+"/readyz") != http.StatusServiceUnavailable {
		if time.Now().After(deadline) {
			t.Fatal("still ready after the signal")
		}
	}
	if got := status(t, url+"/"); got != http.StatusOK {
		t.Fatalf("while draining: %d", got)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := probe(url + "/readyz"); err == nil {
		t.Fatal("still answering after shutdown")
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
