// Package config reads the service's settings: the defaults of the environment under variables.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is everything that can be set.
type Config struct {
	Environment     string
	Port            int
	MetricsPort     int // the same as Port: /metrics is one of the service's paths
	LogLevel        slog.Level
	Greeting        string
	RedisAddr       string // host:port; empty: no Redis
	RedisPassword   Secret
	APIToken        Secret
	ShutdownDelay   time.Duration // from the signal until connections are refused
	ShutdownTimeout time.Duration // for the requests under way
	Traces          Traces
}

// Traces says where to send them, by OTLP over HTTP.
type Traces struct {
	URL     string // empty: nowhere
	Headers map[string]Secret
	Timeout time.Duration
}

// Secret is text that neither fmt nor a log shows.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string { return "[secret]" }

// MarshalText keeps it out of JSON, and so out of the log.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Lookup finds a variable, as os.LookupEnv does.
type Lookup func(name string) (value string, set bool)

// defaults by environment; one that is not listed, or not said, gets the careful ones of prod.
var defaults = map[string]Config{
	"dev":  {LogLevel: slog.LevelDebug, ShutdownTimeout: 2 * time.Second},
	"test": {LogLevel: slog.LevelInfo, ShutdownDelay: time.Second, ShutdownTimeout: 10 * time.Second},
	"prod": {LogLevel: slog.LevelInfo, ShutdownDelay: 3 * time.Second, ShutdownTimeout: 20 * time.Second},
}

// Load reads all settings, or says in one line everything that is wrong with them.
func Load(lookup Lookup) (Config, error) {
	r := reader{lookup: lookup}
	environment := r.text("ENVIRONMENT", "unknown")
	c, known := defaults[environment]
	if !known {
		c = defaults["prod"]
	}
	c.Environment = environment
	c.Port = r.number("PORT", 8080, 1, 65535)
	c.MetricsPort = r.number("METRICS_PORT", c.Port, 1, 65535)
	c.LogLevel = r.level("LOG_LEVEL", c.LogLevel)
	c.Greeting = r.text("GREETING", "hello")
	c.RedisAddr = r.address("REDIS_ADDR")
	c.RedisPassword = Secret(r.text("REDIS_PASSWORD", ""))
	c.APIToken = Secret(r.text("API_TOKEN", ""))
	c.ShutdownDelay = r.duration("SHUTDOWN_DELAY", c.ShutdownDelay)
	c.ShutdownTimeout = r.duration("SHUTDOWN_TIMEOUT", c.ShutdownTimeout)
	c.Traces = Traces{
		URL:     r.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT"),
		Headers: r.headers("OTEL_EXPORTER_OTLP_HEADERS"),
		Timeout: time.Duration(r.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 1, 600_000)) * time.Millisecond,
	}
	if len(r.problems) > 0 {
		return Config{}, errors.New(strings.Join(r.problems, "; "))
	}
	return c, nil
}

// reader reads variables and collects what is wrong with them.
type reader struct {
	lookup   Lookup
	problems []string
}

// reference is ${NAME} or ${NAME:default} within a value; $${NAME} stands for the text ${NAME}.
var reference = regexp.MustCompile(`(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)(:[^}]*)?\}`)

// text is the variable with its references filled in; the fallback if it is not set or empty.
func (r *reader) text(name, fallback string) string {
	value, _ := r.lookup(name)
	if value == "" {
		return fallback
	}
	return reference.ReplaceAllStringFunc(value, func(match string) string {
		parts := reference.FindStringSubmatch(match)
		escaped, inner, otherwise := parts[1] != "", parts[2], parts[3]
		if escaped {
			return match[1:]
		}
		if value, set := r.lookup(inner); set {
			return value
		}
		if otherwise == "" {
			r.problem(name, "it refers to %s, which is not set", inner)
		}
		return strings.TrimPrefix(otherwise, ":")
	})
}

func (r *reader) number(name string, fallback, least, most int) int {
	return parse(r, name, fallback, fmt.Sprintf("a number from %d to %d", least, most), func(text string) (int, bool) {
		number, err := strconv.Atoi(text)
		return number, err == nil && least <= number && number <= most
	})
}

func (r *reader) duration(name string, fallback time.Duration) time.Duration {
	return parse(r, name, fallback, "a duration such as 500ms or 10s", func(text string) (time.Duration, bool) {
		duration, err := time.ParseDuration(text)
		return duration, err == nil && duration >= 0
	})
}

func (r *reader) level(name string, fallback slog.Level) slog.Level {
	return parse(r, name, fallback, "debug, info, warn or error", func(text string) (level slog.Level, fine bool) {
		return level, level.UnmarshalText([]byte(text)) == nil
	})
}

func (r *reader) address(name string) string {
	return parse(r, name, "", "host:port", func(text string) (string, bool) {
		host, port, err := net.SplitHostPort(text)
		return text, err == nil && host != "" && port != ""
	})
}

// endpoint is the URL that takes traces below the one that takes all signals.
func (r *reader) endpoint(name string) string {
	return parse(r, name, "", "a URL such as http://collector:4318", func(text string) (string, bool) {
		base, err := url.Parse(text)
		if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
			return "", false
		}
		return base.JoinPath("v1/traces").String(), true
	})
}

// headers are name=value,… with percent-encoded values. They may be secret, so that a complaint does not show them.
func (r *reader) headers(name string) map[string]Secret {
	text := r.text(name, "")
	if text == "" {
		return nil
	}
	headers := map[string]Secret{}
	for pair := range strings.SplitSeq(text, ",") {
		key, encoded, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(encoded))
		if key = strings.TrimSpace(key); !found || key == "" || err != nil {
			r.problem(name, "it must be name=value,…")
			return nil
		}
		headers[key] = Secret(value)
	}
	return headers
}

// parse turns a variable's text into a value; the fallback if there is none.
func parse[T any](r *reader, name string, fallback T, expected string, convert func(string) (T, bool)) T {
	before := len(r.problems)
	text := r.text(name, "")
	if text == "" || len(r.problems) > before {
		return fallback
	}
	value, fine := convert(text)
	if !fine {
		r.problem(name, "%q is not %s", text, expected)
	}
	return value
}

func (r *reader) problem(name, format string, values ...any) {
	r.problems = append(r.problems, name+": "+fmt.Sprintf(format, values...))
}
