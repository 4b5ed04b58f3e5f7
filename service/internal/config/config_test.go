package config

import (
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
	for environment, want := range map[string]time.Duration{"dev": 0, "test": time.Second, "prod": 3 * time.Second, "other": 3 * time.Second} {
		settings, err := Load(from(map[string]string{"ENVIRONMENT": environment}))
		if err != nil {
			t.Fatal(err)
		}
		if settings.ShutdownDelay != want || settings.Environment != environment || settings.Port != 8080 {
			t.Errorf("%s: %+v", environment, settings)
		}
	}
}

func TestVariablesOverDefaults(t *testing.T) {
	settings, err := Load(from(map[string]string{
		"ENVIRONMENT": "prod", "PORT": "9000", "LOG_LEVEL": "warn", "SHUTDOWN_DELAY": "250ms", "GREETING": "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if settings.Port != 9000 || settings.LogLevel != slog.LevelWarn || settings.ShutdownDelay != 250*time.Millisecond {
		t.Errorf("%+v", settings)
	}
	if settings.Greeting != "hello" {
		t.Errorf("an empty variable is no value: %q", settings.Greeting)
	}
}

func TestReferences(t *testing.T) {
	for value, want := range map[string]string{
		"${WHO}":          "world",
		"hi ${WHO}":       "hi world",
		"${NOBODY:there}": "there",
		"${NOBODY}":       "",
		"${WHO:there}":    "world",
		"$WHO":            "$WHO",
	} {
		settings, err := Load(from(map[string]string{"GREETING": value, "WHO": "world"}))
		if err != nil || settings.Greeting != want {
			t.Errorf("%s: %q, %v; want %q", value, settings.Greeting, err, want)
		}
	}
}

func TestEveryProblemIsNamed(t *testing.T) {
	_, err := Load(from(map[string]string{"PORT": "70000", "LOG_LEVEL": "loud", "SHUTDOWN_TIMEOUT": "soon"}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"PORT", "70000", "LOG_LEVEL", "loud", "SHUTDOWN_TIMEOUT", "soon"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q is not in: %v", name, err)
		}
	}
}
