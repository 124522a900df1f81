package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// commandLine is the author of what was installed without a route.
const commandLine = "command line"

func installCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "install <file> --config <path> [--adapter <name>] [--tenant <name>] [--sign <key file> | --signature <file>]",
		Short: "Puts a module into the storage of a configuration",
		Long: "For hosts without an upload route: checks a module as an upload does and stores it, staged, where the configuration\n" +
			"keeps its data. Where the configuration has trusted_keys, it needs the signature that the nodes ask for. Run it as the\n" +
			"user that Caddy runs as. Running nodes see it within sync_interval.\n" +
			"Exit code 0: it is there, also if it was before. 1: it was refused, each finding is named. 2: it could not be stored.",
		Args: one("the module, a .wasm file"),
		RunE: caddycmd.WrapCommandFuncForCobra(runInstall),
	}
	storageFlags(cmd)
	signatureFlags(cmd)
	cmd.Flags().String("tenant", defaultTenant, "Tenant that the module belongs to")
	return cmd
}

func runInstall(fl caddycmd.Flags) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if !tenantName.MatchString(fl.String("tenant")) {
		return exitUnable, fmt.Errorf("checking --tenant: %q is not a name of lower-case letters, digits and hyphens", cut(fl.String("tenant")))
	}
	storage, err := configuredStorage(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return exitUnable, err
	}
	defer storage.close()
	if err := storage.writable(os.Geteuid()); err != nil {
		return exitUnable, err
	}
	signatures, err := storage.trust()
	if err != nil {
		return exitUnable, err
	}
	wasm, err := readModule(fl.Arg(0))
	if err != nil {
		return exitUnable, err
	}
	signature, err := signatureFor(ctx, fl, wasm)
	if err != nil {
		return exitUnable, err
	}
	return install(ctx, storage, signatures, wasm, fl.String("tenant"), signature, commandOutput())
}

// install uploads without a network: the same stages, no limits by number. What
// no node would load for want of a signature is refused here already, or it
// would be found out when somebody activates it.
func install(ctx context.Context, storage registry.Storage, signatures *trust, wasm []byte, tenant, signature string, out io.Writer) (int, error) {
	report, code, err := examine(ctx, wasm, out)
	if err != nil {
		return code, err
	}
	c := clock.Real()
	r := registry.New(registry.Config{
		Storage: storage, Vet: vetter(c, ""), Gate: registry.NewGate(), Now: c.Now, Reserved: []string{builtinModule}, Trust: signatures.of,
		Log: func(msg string, kv ...any) { fmt.Fprintln(out, append([]any{"warning:", msg}, kv...)...) },
	})
	res, err := r.Upload(ctx, registry.Upload{
		Who: registry.Who{ID: commandLine, Tenant: tenant}, Module: report.Module, Body: bytes.NewReader(wasm), Length: int64(len(wasm)), Signature: signature,
		Limits: registry.Limits{PerHour: -1, PerDay: -1, AtOnce: -1, Modules: -1, Versions: -1},
	})
	if refusal, ok := errors.AsType[*registry.Refusal](err); ok && refusal.Cause == nil {
		printFindings(out, refusal.Findings)
		return 1, fmt.Errorf("refused: %w", refusal)
	}
	if err != nil {
		return exitUnable, err
	}
	what := "installed"
	if res.Outcome == registry.Same {
		what = "was there already"
	}
	fmt.Fprintf(out, "%s %s %s: sha256 %s, %s\n", res.Record.Module, res.Record.Version, what, res.Record.SHA256, res.Record.State)
	return 0, nil
}
