package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// commandStorage is the storage of a configuration that a command uses.
type commandStorage struct {
	registry.Storage
	place  string // where it is, for people: a folder, or the name of what stores
	folder string // of all that is stored for klines; empty: it is not in files
	config []byte // JSON
	close  func()
}

// configuredStorage opens the storage as Caddy would, without starting
// anything else of the configuration.
func configuredStorage(file, adapter string) (*commandStorage, error) {
	if file == "" {
		return nil, errors.New("checking --config: it is required: the file names the storage, or leaves it at its default")
	}
	text, name, _, err := caddycmd.LoadConfig(file, adapter)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var cfg struct {
		StorageRaw json.RawMessage `json:"storage,omitempty" caddy:"namespace=caddy.storage inline_key=module"`
	}
	if err := json.Unmarshal(text, &cfg); err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", cut(name), err)
	}
	if cfg.StorageRaw == nil {
		return placed(caddy.DefaultStorage, "of Caddy", text, func() {}), nil
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	mod, err := ctx.LoadModule(&cfg, "StorageRaw")
	if err != nil {
		cancel()
		return nil, fmt.Errorf("opening the storage of %s: %w", cut(name), err)
	}
	converter, ok := mod.(caddy.StorageConverter)
	if !ok {
		cancel()
		return nil, fmt.Errorf("opening the storage of %s: unexpected type %T", cut(name), mod)
	}
	storage, err := converter.CertMagicStorage()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("opening the storage of %s: %w", cut(name), err)
	}
	kind := fmt.Sprintf("%T", mod) // not its text, which may hold a password
	if m, ok := mod.(caddy.Module); ok {
		kind = string(m.CaddyModule().ID)
	}
	return placed(storage, kind, text, cancel), nil
}

// placed says where a storage is, if it is one of files, and its kind if not.
func placed(s registry.Storage, kind string, config []byte, done func()) *commandStorage {
	out := &commandStorage{Storage: s, place: kind, config: config, close: done}
	if files, ok := s.(interface{ Filename(key string) string }); ok {
		out.place, out.folder = files.Filename(""), files.Filename("kline")
	}
	return out
}

// trust is what the nodes of the configuration say about signatures; one without the
// app says nothing. Only who stores modules asks: keys that are none must not keep
// a kill from its storage.
func (s *commandStorage) trust() (*trust, error) {
	var cfg struct {
		Apps struct {
			Kline struct {
				Indicators *Indicators `json:"indicators"`
			} `json:"kline"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(s.config, &cfg); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return cfg.Apps.Kline.Indicators.trusted()
}

// registry is that of the storage, for commands that upload nothing.
func (s *commandStorage) registry(out io.Writer) *registry.Registry {
	return registry.New(registry.Config{
		Storage: s, Now: clock.Real().Now,
		Log: func(msg string, kv ...any) { fmt.Fprintln(out, append([]any{"warning:", msg}, kv...)...) },
	})
}

// used refuses a storage that no Caddy keeps modules in: what is stopped there is
// stopped nowhere, and an empty log holds always.
func (s *commandStorage) used(ctx context.Context, r *registry.Registry) error {
	if r.Empty(ctx) {
		return fmt.Errorf("opening the storage %s: no module was ever stored there: name the configuration that Caddy runs with, and run the command as the user that Caddy runs as, whose own folder the default is", s.place)
	}
	return nil
}

// writable refuses files of somebody else: who may write them nevertheless, as root,
// leaves some behind that their owner may not read.
func (s *commandStorage) writable(me int) error {
	owner := me
	if info, err := os.Stat(s.folder); err == nil { // else nothing is there yet, or the first write says what is wrong
		if id, known := fileOwner(info); known {
			owner = id
		}
	}
	if owner != me {
		return fmt.Errorf("opening the storage %s: it belongs to user %s, who could not read what user %s writes there: run the command as %[2]s", s.place, userName(owner), userName(me))
	}
	return nil
}

func userName(id int) string {
	number := strconv.Itoa(id)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}
