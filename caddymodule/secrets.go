package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
)

// redacted stands wherever a secret would have been printed.
const redacted = "REDACTED"

// secretForm is the only shape of a secret in a configuration. The whole value
// is one placeholder: a prefix in clear text would be a part of the secret that
// everybody may read in the stored configuration.
var secretForm = regexp.MustCompile(`\A\{(env\.[^{}]+|file\.[^{}]+)\}\z`)

// errLiteralSecret does not quote the value: it may be a password.
var errLiteralSecret = errors.New("must be written as {env.NAME} or {file./path}: a literal would be readable in the stored configuration")

// secret is a resolved credential. It prints as a fixed text in every form. The
// value hides in a function: fmt does not call String on a field that is not
// exported, and would print a plain string inside of a larger struct.
type secret struct{ value func() string }

func newSecret(value string) secret { return secret{func() string { return value }} }

// String hides the value.
func (secret) String() string { return redacted }

// GoString hides the value from %#v.
func (secret) GoString() string { return redacted }

// MarshalJSON hides the value.
func (secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue hides the value from structured logs.
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// reveal gives the value to the one who opens a connection with it.
func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return s.value()
}

// checkSecret says whether s may stand in a configuration as the secret name.
func checkSecret(name, s string) error {
	if !secretForm.MatchString(s) {
		return fmt.Errorf("%s %w", name, errLiteralSecret)
	}
	return nil
}

// resolveSecret reads the secret that the placeholder s names. Its errors
// contain the placeholder, never what it stands for.
//
// A file is read again each time the secret is asked for, which is when a
// connection is opened: a mounted secret is replaced without a word to anybody.
// While it cannot be read, the value before is what there is.
func resolveSecret(repl *caddy.Replacer, name, s string) (secret, error) {
	if err := checkSecret(name, s); err != nil {
		return secret{}, err
	}
	first, err := expand(repl, name, s)
	if err != nil || !strings.HasPrefix(s, "{file.") {
		return newSecret(first), err
	}
	var last atomic.Pointer[string]
	last.Store(&first)
	return secret{func() string {
		if v, err := expand(repl, name, s); err == nil {
			last.Store(&v)
		}
		return *last.Load()
	}}, nil
}

// expand replaces the placeholders of one configuration string. It sees nothing
// but the configuration, and its result is never expanded again: a Replacer that
// sees what a user sent gives away the environment and every readable file.
//
// "Error on empty" is what catches an unset variable or an unreadable file;
// both count as known placeholders with an empty value.
func expand(repl *caddy.Replacer, name, s string) (string, error) {
	v, err := repl.ReplaceOrErr(s, true, true)
	if err != nil && strings.Contains(s, "{file.") {
		return "", fmt.Errorf("expanding %s: %w: the file is missing, not readable for this user, or empty", name, err)
	}
	if err != nil {
		return "", fmt.Errorf("expanding %s: %w", name, err)
	}
	return v, nil
}

// expandList expands each entry; an entry may expand to several, separated by
// commas, so that one environment variable can hold a list of brokers.
func expandList(repl *caddy.Replacer, name string, in []string) ([]string, error) {
	var out []string
	for _, s := range in {
		v, err := expand(repl, name, s)
		if err != nil {
			return nil, err
		}
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out, nil
}
