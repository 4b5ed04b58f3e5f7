package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/web/internal/config"
)

// slow is a counter that lets a request wait until it is told to go on.
type slow struct{ arrived, proceed chan struct{} }

func newSlow() slow { return slow{make(chan struct{}), make(chan struct{})} }

func (c slow) Add(context.Context) (int64, error) {
	close(c.arrived)
	<-c.proceed
	return 1, nil
}

// start serves; stop is the signal, done what Serve returns.
func start(t *testing.T, settings config.Config, counter Counter) (url string, stop func(), done <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- service(settings, counter, io.Discard).Serve(ctx, listener) }()
	return "http://" + listener.Addr().String(), cancel, result
}

// get is a new connection's status code; 0 if there is no answer.
func get(url string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// within waits for something to come true.
func within(t *testing.T, limit time.Duration, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	counter := newSlow()
	settings := config.Config{ShutdownDelay: time.Second, ShutdownTimeout: 10 * time.Second}
	url, stop, done := start(t, settings, counter)
	if got := get(url + "/readyz"); got != http.StatusOK {
		t.Fatalf("ready: %d", got)
	}
	underWay := make(chan int, 1)
	go func() { underWay <- get(url) }()
	<-counter.arrived
	stop()
	within(t, 800*time.Millisecond, "still ready after the signal", func() bool { return get(url+"/readyz") == http.StatusServiceUnavailable })
	if got := get(url + "/healthz"); got != http.StatusOK {
		t.Errorf("during the delay: %d", got)
	}
	within(t, 5*time.Second, "still answering after the delay", func() bool { return get(url+"/healthz") == 0 })
	close(counter.proceed)
	if got := <-underWay; got != http.StatusOK {
		t.Errorf("the request under way: %d", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShutdownDoesNotWaitForever(t *testing.T) {
	counter := newSlow()
	url, stop, done := start(t, config.Config{ShutdownTimeout: 50 * time.Millisecond}, counter)
	go get(url)
	<-counter.arrived
	stop()
	if err := <-done; err == nil {
		t.Error("nobody heard of the request that was cut off")
	}
	close(counter.proceed)
}

func TestALostListenerIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := service(config.Config{}, nil, io.Discard).Serve(t.Context(), listener); err == nil {
		t.Error("it served")
	}
}
