// Package hits counts answers in Redis, and does without where there is none.
package hits

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Counter counts. The zero address makes one that counts nothing.
type Counter struct{ client *redis.Client }

// New connects lazily: a Redis that is down costs an answer a few hundred milliseconds, never the answer.
func New(address, password string) *Counter {
	if address == "" {
		return &Counter{}
	}
	return &Counter{redis.NewClient(&redis.Options{
		Addr:         address,
		Password:     password,
		DialTimeout:  300 * time.Millisecond,
		ReadTimeout:  300 * time.Millisecond,
		WriteTimeout: 300 * time.Millisecond,
		MaxRetries:   -1,
	})}
}

// Enabled says whether there is a Redis to ask.
func (c *Counter) Enabled() bool { return c.client != nil }

// Add counts one and returns the sum.
func (c *Counter) Add(ctx context.Context) (int64, error) {
	return c.client.Incr(ctx, "hits").Result()
}

// Close ends the connections.
func (c *Counter) Close() error {
	if c.client == nil {
		return nil
	}
	return c.client.Close()
}
