package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCheck(t *testing.T) {
	for code, fine := range map[int]bool{http.StatusOK: true, http.StatusNoContent: false, http.StatusServiceUnavailable: false} {
		asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		if err := check(asked.URL); (err == nil) != fine {
			t.Errorf("%d: %v", code, err)
		}
		asked.Close()
		if check(asked.URL) == nil {
			t.Error("nobody answers, and that is fine?")
		}
	}
}
