package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func from(variables map[string]string) Lookup {
	return func(name string) (string, bool) {
		value, set := variables[name]
		return value, set
	}
}

func TestDefaultsOfTheEnvironment(t *testing.T) {
	for environment, want := range map[string]Config{
		"dev":     {LogLevel: slog.LevelDebug, ShutdownDelay: 0, ShutdownTimeout: 2 * time.Second},
		"test":    {LogLevel: slog.LevelInfo, ShutdownDelay: time.Second, ShutdownTimeout: 10 * time.Second},
		"prod":    {LogLevel: slog.LevelInfo, ShutdownDelay: 3 * time.Second, ShutdownTimeout: 20 * time.Second},
		"staging": {LogLevel: slog.LevelInfo, ShutdownDelay: 3 * time.Second, ShutdownTimeout: 20 * time.Second},
	} {
		got, err := Load(from(map[string]string{"ENVIRONMENT": environment}))
		if err != nil {
			t.Fatal(err)
		}
		if got.LogLevel != want.LogLevel || got.ShutdownDelay != want.ShutdownDelay || got.ShutdownTimeout != want.ShutdownTimeout {
			t.Errorf("%s: %+v", environment, got)
		}
		if got.Environment != environment || got.Port != 8080 || got.Greeting != "hello" || got.RedisAddr != "" || got.Traces.URL != "" {
			t.Errorf("%s: %+v", environment, got)
		}
	}
	got, err := Load(from(nil))
	if got.MetricsPort != got.Port {
		t.Errorf("the metrics are on %d", got.MetricsPort)
	}
	if err != nil || got.Environment != "unknown" || got.ShutdownDelay != 3*time.Second || got.LogLevel != slog.LevelInfo {
		t.Errorf("without one it is careful: %+v, %v", got, err)
	}
}

func TestVariablesOverDefaults(t *testing.T) {
	got, err := Load(from(map[string]string{
		"ENVIRONMENT": "prod", "PORT": "9000", "METRICS_PORT": "9001", "LOG_LEVEL": "warn", "SHUTDOWN_DELAY": "250ms", "REDIS_ADDR": "redis:6379",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/", "OTEL_EXPORTER_OTLP_HEADERS": "a=1, b=x%20y",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Port != 9000 || got.MetricsPort != 9001 || got.LogLevel != slog.LevelWarn || got.ShutdownDelay != 250*time.Millisecond || got.RedisAddr != "redis:6379" {
		t.Errorf("%+v", got)
	}
	if got.Traces.URL != "http://collector:4318/v1/traces" || got.Traces.Headers["a"] != "1" || got.Traces.Headers["b"] != "x y" {
		t.Errorf("%+v", got.Traces)
	}
}

func TestReferences(t *testing.T) {
	for value, want := range map[string]string{
		"":                "hello",
		"${WHO}":          "world",
		"hi ${WHO}!":      "hi world!",
		"${EMPTY}":        "",
		"${EMPTY:there}":  "",
		"${NOBODY:there}": "there",
		"${NOBODY:}":      "",
		"${NOBODY:a:b}":   "a:b",
		"${WHO:there}":    "world",
		"$${WHO}":         "${WHO}",
		"$WHO":            "$WHO",
	} {
		got, err := Load(from(map[string]string{"GREETING": value, "WHO": "world", "EMPTY": ""}))
		if err != nil || got.Greeting != want {
			t.Errorf("%q: %q, %v; want %q", value, got.Greeting, err, want)
		}
	}
}

func TestABadValueIsNamed(t *testing.T) {
	for name, values := range map[string][]string{
		"PORT":                        {"70000", "0", "http", "${NOBODY}"},
		"LOG_LEVEL":                   {"loud"},
		"GREETING":                    {"hi ${NOBODY}"},
		"REDIS_ADDR":                  {"redis", ":6379"},
		"SHUTDOWN_DELAY":              {"-1s", "3"},
		"SHUTDOWN_TIMEOUT":            {"soon"},
		"OTEL_EXPORTER_OTLP_ENDPOINT": {"collector:4318", "http://"},
		"OTEL_EXPORTER_OTLP_HEADERS":  {"Bearer"},
		"OTEL_EXPORTER_OTLP_TIMEOUT":  {"10s"},
	} {
		for _, value := range values {
			_, err := Load(from(map[string]string{name: value}))
			if err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Count(err.Error(), name) != 1 {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}

func TestAllProblemsAreOneLine(t *testing.T) {
	_, err := Load(from(map[string]string{"PORT": "70000", "LOG_LEVEL": "loud"}))
	want := `PORT: "70000" is not a number from 1 to 65535; LOG_LEVEL: "loud" is not debug, info, warn or error`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestSecretsStaySecret(t *testing.T) {
	settings, err := Load(from(map[string]string{
		"API_TOKEN": "s3cret", "REDIS_PASSWORD": "s3cret", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cret",
	}))
	if err != nil || settings.APIToken.Reveal() != "s3cret" {
		t.Fatal(err)
	}
	inJSON, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	_, problem := Load(from(map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "s3cret"}))
	if text := fmt.Sprintf("%v %+v %s %v", settings, settings, inJSON, problem); strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}
