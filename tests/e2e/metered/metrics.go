package main

import (
	"fmt"
	"io"
	"sync"
)

// metrics are the requests as the example service counts them, in Prometheus' text format.
type metrics struct {
	sync.Mutex
	begun    uint64
	requests map[int]uint64
	buckets  map[float64]uint64
	sum      float64
}

var (
	seen   = metrics{requests: map[int]uint64{}, buckets: map[float64]uint64{}}
	limits = []float64{.005, .0075, .01, .015, .02, .03, .045, .067, .1, .15, .2, .3, .45, .67, 1, 1.5, 2, 3, 4.5, 6.7, 10}
)

func (m *metrics) next() uint64 {
	m.Lock()
	defer m.Unlock()
	m.begun++
	return m.begun
}

func (m *metrics) count(code int, seconds float64) {
	m.Lock()
	defer m.Unlock()
	m.requests[code]++
	m.sum += seconds
	for _, limit := range limits {
		if seconds <= limit {
			m.buckets[limit]++
		}
	}
}

func (m *metrics) write(w io.Writer) {
	m.Lock()
	defer m.Unlock()
	var all uint64
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for _, code := range []int{200, 500} { // both from the start, so that the first failure is seen as an increase
		fmt.Fprintf(w, "http_requests_total{route=\"/\",method=\"GET\",code=\"%d\"} %d\n", code, m.requests[code])
		all += m.requests[code]
	}
	fmt.Fprintln(w, "# TYPE http_request_duration_seconds histogram")
	const bucket = "http_request_duration_seconds_bucket{route=\"/\",method=\"GET\",le=\"%v\"} %d\n"
	for _, limit := range limits {
		fmt.Fprintf(w, bucket, limit, m.buckets[limit])
	}
	fmt.Fprintf(w, bucket, "+Inf", all)
	fmt.Fprintf(w, "http_request_duration_seconds_sum{route=\"/\",method=\"GET\"} %v\n", m.sum)
	fmt.Fprintf(w, "http_request_duration_seconds_count{route=\"/\",method=\"GET\"} %d\n", all)
}
