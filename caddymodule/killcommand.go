package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

func killCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kill [--module <name> | --tenant <name> | --all] [--reason <text>] (--config <path> | --url <address>)",
		Short: "Stops uploaded modules on all nodes, or lists what is stopped",
		Long: "Nothing of what is stopped computes, is activated, or is taken, on every node within a second or two, until `lift`. Bars and configured indicators go on.\n" +
			"With --config it is written into the storage of a configuration: run it as the user that Caddy runs as, who owns that storage. A name of which nothing\n" +
			"is stored there is refused; where records cannot be read it is stopped with a warning. With --url a site is asked, which takes the role operator\n" +
			"and also names of which nothing is stored yet; the command warns of those.\n" +
			"Without --module, --tenant or --all it lists what is stopped. Exit code 1: refused. 2: it could not be done.",
		Args: none(),
		RunE: withArgs(func(ctx context.Context, fl caddycmd.Flags, _ []string) (int, error) {
			return runKill(ctx, fl, http.MethodPut)
		}),
	}
	killFlags(cmd)
	cmd.Flags().String("reason", "", "Why, for the audit log and the authors")
	return cmd
}

func liftCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lift [--module <name> | --tenant <name> | --all] (--config <path> | --url <address>)",
		Short: "Lets modules compute again that were stopped by kill",
		Long:  "Each kill is lifted by itself: one of a module stands also after that of its tenant was lifted. Flags and exit codes are those of kill.",
		Args:  none(),
		RunE: withArgs(func(ctx context.Context, fl caddycmd.Flags, _ []string) (int, error) {
			return runKill(ctx, fl, http.MethodDelete)
		}),
	}
	killFlags(cmd)
	return cmd
}

func killFlags(cmd *cobra.Command) {
	clientFlags(cmd)
	storageFlags(cmd)
	cmd.Flags().String("module", "", "The module")
	cmd.Flags().String("tenant", "", "All modules of the tenant")
	cmd.Flags().Bool("all", false, "Everything that was ever uploaded")
}

// killOf reads the flags that say what; an empty scope is none.
func killOf(fl caddycmd.Flags) (registry.Kill, error) {
	for _, flag := range []string{"module", "tenant"} {
		if fl.Changed(flag) && fl.String(flag) == "" {
			return registry.Kill{}, fmt.Errorf("checking --%s: it is empty: is the variable set that it comes from?", flag)
		}
	}
	var found []registry.Kill
	if name := fl.String("module"); name != "" {
		found = append(found, registry.Kill{Scope: registry.ScopeModule, Name: name})
	}
	if name := fl.String("tenant"); name != "" {
		found = append(found, registry.Kill{Scope: registry.ScopeTenant, Name: name})
	}
	if fl.Bool("all") {
		found = append(found, registry.Kill{Scope: registry.ScopeAll})
	}
	switch len(found) {
	case 0:
		return registry.Kill{}, nil
	case 1:
		return found[0], nil
	}
	return registry.Kill{}, errors.New("checking --module, --tenant and --all: only one of them at a time")
}

func runKill(ctx context.Context, fl caddycmd.Flags, method string) (int, error) {
	k, err := killOf(fl)
	if err != nil {
		return exitUnable, err
	}
	if k.Scope == "" && method == http.MethodDelete {
		return exitUnable, errors.New("checking --module, --tenant and --all: one of them has to say what is lifted")
	}
	if method == http.MethodPut {
		if k.Reason = fl.String("reason"); k.Scope == "" && fl.Changed("reason") {
			return exitUnable, errors.New("checking --reason: --module, --tenant or --all has to say what is stopped")
		}
	}
	if fl.String("url") != "" {
		return killByRequest(ctx, fl, k, method)
	}
	return killInStorage(ctx, fl, k, method)
}

func killInStorage(ctx context.Context, fl caddycmd.Flags, k registry.Kill, method string) (int, error) {
	out := commandOutput()
	storage, err := configuredStorage(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return exitUnable, err
	}
	defer storage.close()
	r := storage.registry(out)
	if err := storage.used(ctx, r); err != nil {
		return exitUnable, err
	}
	fmt.Fprintln(out, "storage:", plain(storage.place))
	if k.Scope != "" {
		if err := storage.writable(os.Geteuid()); err != nil {
			return exitUnable, err
		}
		if code, err := changeKills(registry.By(ctx, registry.Actor{ID: commandLine}), r, k, method, out); err != nil {
			return code, err
		}
	}
	kills, err := r.Kills(ctx)
	if err != nil {
		return exitUnable, err
	}
	printKills(out, kills)
	return 0, nil
}

func changeKills(ctx context.Context, r *registry.Registry, k registry.Kill, method string, out io.Writer) (int, error) {
	var err error
	if method == http.MethodPut {
		if err := meets(ctx, r, k, out); err != nil {
			return 1, err
		}
		err = r.Stop(ctx, k)
	} else {
		err = r.Lift(ctx, k.Scope, k.Name)
	}
	if refusal, ok := errors.AsType[*registry.Refusal](err); ok && refusal.Cause == nil {
		return 1, fmt.Errorf("refused: %w", refusal)
	}
	return exitUnable, err
}

// meets refuses a kill with a typo, which would stop nothing and look as if it did.
// Where nobody knows what is stored it only warns: that may be what has to stop.
func meets(ctx context.Context, r *registry.Registry, k registry.Kill, out io.Writer) error {
	if k.Scope == registry.ScopeAll {
		return nil
	}
	what := plain(k.Name)
	if k.Scope == registry.ScopeTenant {
		what = "anything of tenant " + what
	}
	switch found, err := r.Meets(ctx, k); {
	case err != nil:
		fmt.Fprintf(out, "warning: whether %s is stored there is not known: %s\n", what, plain(err.Error()))
	case !found:
		return fmt.Errorf("refused: %s is not stored there, so that the kill would stop nothing; a site (--url) takes names before they are stored", what)
	}
	return nil
}

func killByRequest(ctx context.Context, fl caddycmd.Flags, k registry.Kill, method string) (int, error) {
	c, err := newModuleClient(fl)
	if err != nil {
		return exitUnable, err
	}
	path, body := "/v1/modules/"+killsPath, []byte(nil)
	if k.Scope == "" {
		method = http.MethodGet
	} else {
		path += "/" + string(k.Scope)
	}
	if k.Name != "" {
		path += "/" + k.Name
	}
	if k.Reason != "" {
		if body, err = json.Marshal(map[string]string{"reason": k.Reason}); err != nil {
			return exitUnable, err
		}
	}
	status, answer, err := c.do(ctx, method, path, "", body, "application/json")
	if err != nil {
		return exitUnable, err
	}
	if status != http.StatusOK {
		return 1, answerError(commandOutput(), status, answer)
	}
	var list killsBody
	if err := json.Unmarshal(answer, &list); err != nil {
		return exitUnable, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	if list.Stored != nil && !*list.Stored {
		fmt.Fprintf(commandOutput(), "warning: nothing of %s is stored there: what is stopped is what may come under this name\n", plain(k.Name))
	}
	printKills(commandOutput(), list.Kills)
	return 0, nil
}

func printKills(out io.Writer, kills registry.Kills) {
	if len(kills) == 0 {
		fmt.Fprintln(out, "nothing is stopped")
	}
	for _, k := range kills {
		fmt.Fprintf(out, "stopped: %s %s since %s by %s: %s\n", plain(string(k.Scope)), plain(k.Name), k.Since.Format("2006-01-02T15:04:05Z07:00"), plain(k.By), plain(k.Reason))
	}
}
