package hits

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fake listens and lets answer reply to every connection.
func fake(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(connection)
		}
	}()
	return listener.Addr().String()
}

// redisServer knows INCR, and says of all else, as an old Redis does of HELLO, that it does not.
func redisServer(connection net.Conn) {
	sum, lines := 0, bufio.NewScanner(connection)
	for lines.Scan() { // *2 $4 incr $8 web:hits, a line each
		count, _ := strconv.Atoi(strings.TrimPrefix(lines.Text(), "*"))
		words := make([]string, 0, count)
		for range count {
			lines.Scan()
			lines.Scan()
			words = append(words, lines.Text())
		}
		if strings.EqualFold(words[0], "incr") && words[1] == "web:hits" {
			sum++
			_, _ = fmt.Fprintf(connection, ":%d\r\n", sum)
		} else {
			_, _ = fmt.Fprintf(connection, "-ERR unknown command '%s'\r\n", words[0])
		}
	}
}

func TestItCounts(t *testing.T) {
	counter := New(fake(t, redisServer), "")
	defer func() { _ = counter.Close() }()
	for want := int64(1); want < 4; want++ {
		if got, err := counter.Add(t.Context()); err != nil || got != want {
			t.Fatalf("%d, %v; want %d", got, err, want)
		}
	}
}

func TestItDoesNotWait(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, address := range map[string]string{
		"refused": closed.Addr().String(),
		"silent":  fake(t, func(net.Conn) {}),
		"unknown": "redis.invalid:6379",
	} {
		t.Run(name, func(t *testing.T) {
			counter := New(address, "")
			defer func() { _ = counter.Close() }()
			began := time.Now()
			if _, err := counter.Add(context.Background()); err == nil {
				t.Error("it counted")
			}
			if took := time.Since(began); took > patience+time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
