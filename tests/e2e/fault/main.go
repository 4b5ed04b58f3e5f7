// Command fault serves on 8080 and goes wrong as its variables say. Durations are Go's, such as 8s.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	began := time.Now()
	fmt.Println("fault: starting with", os.Getenv("VERSION"))
	if marker := os.Getenv("CRASH_ONCE"); marker != "" { // a file on a volume that outlives the container
		if _, err := os.Stat(marker); err != nil {
			_ = os.WriteFile(marker, nil, 0o644)
			fmt.Println("fault: the dependency is not there yet")
			os.Exit(1)
		}
	}
	if text := os.Getenv("EXIT_AFTER"); text != "" {
		code, _ := strconv.Atoi(os.Getenv("EXIT_CODE"))
		after := duration("EXIT_AFTER")
		leave := func() {
			fmt.Println("fault: panic: cannot open /data/orders.db")
			os.Exit(code)
		}
		if after == 0 {
			leave()
		}
		time.AfterFunc(after, leave)
	}
	if node := os.Getenv("FAIL_ON_NODE"); node != "" && node == os.Getenv("NODE") {
		fmt.Println("fault: no such device on this node")
		os.Exit(1)
	}
	if megabytes, _ := strconv.Atoi(os.Getenv("ALLOC_MB")); megabytes > 0 {
		held := make([]byte, megabytes<<20)
		for i := 0; i < len(held); i += 4096 {
			held[i] = 1
		}
		defer fmt.Println(len(held))
	}
	if os.Getenv("IGNORE_TERM") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	if os.Getenv("RUN_FOR") != "" { // a job, or a slow init container
		time.Sleep(duration("RUN_FOR"))
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getenv("VERSION")) })
	http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if os.Getenv("NEVER_READY") != "" || time.Since(began) < duration("READY_AFTER") {
			http.Error(w, "the cache is cold", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if after := duration("SICK_AFTER"); after > 0 && time.Since(began) > after {
			http.Error(w, "deadlock", http.StatusInternalServerError)
		}
	})
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(2)
}

func duration(name string) time.Duration {
	value, err := time.ParseDuration(os.Getenv(name))
	if err != nil && os.Getenv(name) != "" {
		fmt.Println("fault: bad", name)
		os.Exit(3)
	}
	return value
}
