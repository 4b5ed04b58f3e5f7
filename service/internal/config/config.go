// Package config reads the service's settings: defaults of the environment under variables.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"time"
)

// Config is everything that can be set.
type Config struct {
	Environment     string
	Port            int
	LogLevel        slog.Level
	Greeting        string
	RedisAddr       string // empty: no Redis
	RedisPassword   string
	APIToken        string
	ShutdownDelay   time.Duration // from the signal until new connections are refused
	ShutdownTimeout time.Duration // for the requests under way
	TraceEndpoint   string        // OTLP over HTTP; empty: no traces
}

// Lookup finds a variable, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// defaults by environment; one that is not listed gets the careful ones of prod.
var defaults = map[string]Config{
	"dev":  {LogLevel: slog.LevelDebug, ShutdownTimeout: 2 * time.Second},
	"test": {LogLevel: slog.LevelInfo, ShutdownDelay: time.Second, ShutdownTimeout: 10 * time.Second},
	"prod": {LogLevel: slog.LevelInfo, ShutdownDelay: 3 * time.Second, ShutdownTimeout: 20 * time.Second},
}

// reference is ${NAME} or ${NAME:default} within a value.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}`)

// Load reads all settings, or says everything that is wrong with them.
func Load(lookup Lookup) (Config, error) {
	reader := reader{lookup: lookup}
	environment := reader.text("ENVIRONMENT", "dev")
	settings, known := defaults[environment]
	if !known {
		settings = defaults["prod"]
	}
	settings.Environment = environment
	settings.Port = reader.number("PORT", 8080, 1, 65535)
	settings.LogLevel = reader.level("LOG_LEVEL", settings.LogLevel)
	settings.Greeting = reader.text("GREETING", "hello")
	settings.RedisAddr = reader.text("REDIS_ADDR", "")
	settings.RedisPassword = reader.text("REDIS_PASSWORD", "")
	settings.APIToken = reader.text("API_TOKEN", "")
	settings.ShutdownDelay = reader.duration("SHUTDOWN_DELAY", settings.ShutdownDelay)
	settings.ShutdownTimeout = reader.duration("SHUTDOWN_TIMEOUT", settings.ShutdownTimeout)
	settings.TraceEndpoint = reader.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	return settings, errors.Join(reader.problems...)
}

type reader struct {
	lookup   Lookup
	problems []error
}

// text is the variable with its references filled in, or the default.
func (r *reader) text(name, fallback string) string {
	value, set := r.lookup(name)
	if !set || value == "" {
		return fallback
	}
	return reference.ReplaceAllStringFunc(value, func(match string) string {
		parts := reference.FindStringSubmatch(match)
		if inner, set := r.lookup(parts[1]); set {
			return inner
		}
		return parts[2]
	})
}

func (r *reader) number(name string, fallback, least, most int) int {
	text := r.text(name, "")
	if text == "" {
		return fallback
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < least || number > most {
		r.problem(name, text, fmt.Sprintf("a number from %d to %d", least, most))
	}
	return number
}

func (r *reader) duration(name string, fallback time.Duration) time.Duration {
	text := r.text(name, "")
	if text == "" {
		return fallback
	}
	value, err := time.ParseDuration(text)
	if err != nil || value < 0 {
		r.problem(name, text, "a duration such as 500ms or 10s")
	}
	return value
}

func (r *reader) level(name string, fallback slog.Level) slog.Level {
	text := r.text(name, "")
	if text == "" {
		return fallback
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		r.problem(name, text, "debug, info, warn or error")
	}
	return level
}

func (r *reader) problem(name, value, expected string) {
	r.problems = append(r.problems, fmt.Errorf("%s is %q; it must be %s", name, value, expected))
}
