package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

func pushCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push <file> --url <address> [--user <name>] [--token-file <file>] [--activate] [--sign <key file> | --signature <file>]",
		Short: "Uploads a module to a running Caddy",
		Long: "Checks a module as the server will, then sends it to PUT /v1/modules/<name>; name and version are those of the module.\n" +
			"The password or token is read from " + tokenVariable + " or --token-file, never from an argument.\n" +
			"Exit code 0: it is there, also if it was before. 1: it was refused, each finding is named. 2: it could not be sent.",
		Args: one("the module, a .wasm file"),
		RunE: caddycmd.WrapCommandFuncForCobra(runPush),
	}
	clientFlags(cmd)
	signatureFlags(cmd)
	cmd.Flags().Bool("activate", false, "Let it compute at once, which takes the role publisher")
	return cmd
}

func runPush(fl caddycmd.Flags) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := newModuleClient(fl)
	if err != nil {
		return exitUnable, err
	}
	if c.clear() {
		fmt.Fprintln(os.Stderr, "warning: the secret is sent without encryption: use https")
	}
	wasm, err := readModule(fl.Arg(0))
	if err != nil {
		return exitUnable, err
	}
	if c.signature, err = signatureFor(ctx, fl, wasm); err != nil {
		return exitUnable, err
	}
	return c.push(ctx, wasm, fl.Bool("activate"), commandOutput())
}

// readModule reads a file that is not larger than any server takes.
func readModule(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	wasm, err := io.ReadAll(io.LimitReader(f, maxModuleSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the module: %w", err)
	}
	if len(wasm) > maxModuleSize {
		return nil, fmt.Errorf("reading the module: %s has more than %d bytes", name, maxModuleSize)
	}
	return wasm, nil
}

// errModuleRefused ends a command whose findings are printed already.
var errModuleRefused = errors.New("the module did not pass the checks: see the findings above")

// examine checks a module as an upload does and prints what was found.
func examine(ctx context.Context, wasm []byte, out io.Writer) (*registry.Report, int, error) {
	report, err := vetter(clock.Real(), "")(ctx, wasm, nil)
	if err != nil {
		return nil, exitUnable, fmt.Errorf("checking the module: %w", err)
	}
	if report.Refused() {
		printFindings(out, report.Findings)
		return nil, 1, errModuleRefused
	}
	return report, 0, nil
}

// push checks, sends, and says what became of it. The checks at home cost no
// upload of the user's quota.
func (c *moduleClient) push(ctx context.Context, wasm []byte, activate bool, out io.Writer) (int, error) {
	report, code, err := examine(ctx, wasm, out)
	if err != nil {
		return code, err
	}
	query := ""
	if activate {
		query = "activate=1"
	}
	status, body, err := c.do(ctx, http.MethodPut, "/v1/modules/"+report.Module, query, wasm, "application/wasm")
	if err != nil {
		return exitUnable, err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return 1, answerError(out, status, body)
	}
	var up uploadBody
	if err := json.Unmarshal(body, &up); err != nil {
		return exitUnable, fmt.Errorf("reading the answer of %s: %w%s", c.base, err, isMounted)
	}
	// Any server may answer 200: stored is what it can name by its sum.
	if sum := sha256.Sum256(wasm); up.SHA256 != hex.EncodeToString(sum[:]) {
		return exitUnable, fmt.Errorf("reading the answer of %s: it does not name the module%s", c.base, isMounted)
	}
	printFindings(out, up.Findings)
	what := "uploaded"
	if status == http.StatusOK {
		what = "was there already"
	}
	fmt.Fprintf(out, "%s %s %s: sha256 %s, %s\n", plain(up.Module), plain(up.Version), what, plain(up.SHA256), plain(up.State))
	if up.Activation != "" {
		return 1, fmt.Errorf("it is stored, but not activated: %s", plain(up.Activation))
	}
	return 0, nil
}

func listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [--url <address> [--user <name>] [--token-file <file>]] [--json]",
		Short: "Lists modules, their versions and states",
		Long:  "Asks the site named by --url, or else the admin endpoint, which knows the modules of all tenants.",
		Args:  none(),
		RunE:  caddycmd.WrapCommandFuncForCobra(runList),
	}
	clientFlags(cmd)
	cmd.Flags().Bool("json", false, "Print the answer as it is")
	cmd.Flags().String("address", "", "The address of the admin endpoint, if it is not the default")
	cmd.Flags().StringP("config", "c", "", "Configuration file in which the address is found")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter of that file, if it is not JSON")
	return cmd
}

func runList(fl caddycmd.Flags) (int, error) {
	body, err := listBody(fl)
	if err != nil {
		return exitUnable, err
	}
	out := commandOutput()
	if fl.Bool("json") {
		fmt.Fprintln(out, strings.TrimSpace(string(body)))
		return 0, nil
	}
	var list modulesBody
	if err := json.Unmarshal(body, &list); err != nil {
		return exitUnable, fmt.Errorf("reading the list of modules: %w%s", err, isMounted)
	}
	if list.Modules == nil {
		return exitUnable, fmt.Errorf("reading the list of modules: there is none in the answer%s", isMounted)
	}
	if err := printModules(out, &list); err != nil {
		return exitUnable, err
	}
	return 0, nil
}

func listBody(fl caddycmd.Flags) ([]byte, error) {
	if fl.String("url") != "" {
		c, err := newModuleClient(fl)
		if err != nil {
			return nil, err
		}
		status, body, err := c.do(context.Background(), http.MethodGet, "/v1/modules", "", nil, "")
		if err == nil && status != http.StatusOK {
			err = answerError(io.Discard, status, body)
		}
		return body, err
	}
	return askAdmin(fl, "/kline/modules", maxAnswer)
}

// printModules writes a table, and what is wrong in the storage.
func printModules(w io.Writer, list *modulesBody) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "module\tversion\tstate\tsha256\tbytes\tauthor\tindicators")
	for _, m := range list.Modules {
		for _, v := range m.Versions {
			sum := v.SHA256
			if len(sum) > 12 {
				sum = sum[:12]
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", plain(m.Module), plain(v.Version), plain(v.State), plain(sum), v.Size, plain(v.Author), plain(strings.Join(v.Indicators, " ")))
		}
	}
	for _, p := range list.Problems {
		fmt.Fprintf(tw, "problem: %s: %s\n", plain(p.Key), plain(p.Reason))
	}
	return tw.Flush()
}
