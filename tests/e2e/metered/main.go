// Command metered serves on 8080, counts as the example service does, and serves badly as its variables say:
// FAIL_PERCENT of the requests are answered 500, each after SLOW.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	percent, _ := strconv.ParseFloat(os.Getenv("FAIL_PERCENT"), 64)
	slow, _ := time.ParseDuration(os.Getenv("SLOW"))
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		began, code := time.Now(), http.StatusOK
		if nth := seen.next(); percent > 0 && nth%max(1, uint64(100/percent)) == 0 {
			code = http.StatusInternalServerError
			fmt.Println("metered: cannot write the order: deadlock detected")
		}
		time.Sleep(slow)
		w.WriteHeader(code)
		fmt.Fprintln(w, os.Getenv("VERSION"))
		seen.count(code, time.Since(began).Seconds())
	})
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { seen.write(w) })
	for _, path := range []string{"/readyz", "/healthz"} {
		http.HandleFunc(path, func(http.ResponseWriter, *http.Request) {})
	}
	fmt.Println(http.ListenAndServe(":8080", nil))
	os.Exit(2)
}
