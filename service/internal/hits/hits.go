// Package hits counts answers in Redis.
package hits

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// patience is what one count may cost an answer, all told.
const patience = 300 * time.Millisecond

// Counter counts.
type Counter struct{ client *redis.Client }

// New connects at the first count, and again after a failure.
func New(address, password string) *Counter {
	redis.SetLogger(logger{})
	return &Counter{redis.NewClient(&redis.Options{
		Addr:                     address,
		Password:                 password,
		ContextTimeoutEnabled:    true,
		DialTimeout:              patience,
		DialerRetries:            1, // the next request is the retry
		MaxRetries:               -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})}
}

// Add counts one and returns the sum.
func (c *Counter) Add(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.client.Incr(ctx, "web:hits").Result()
}

// Close ends the connections.
func (c *Counter) Close() error { return c.client.Close() }

// logger takes what the library says; what matters comes back as an error.
type logger struct{}

func (logger) Printf(ctx context.Context, format string, values ...any) {
	slog.DebugContext(ctx, fmt.Sprintf(format, values...))
}
