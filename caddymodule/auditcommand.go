package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit --config <path> [--adapter <name>] [--verify] [--head <number>:<sha256>] [--json]",
		Short: "Prints the audit log of uploaded modules, or verifies its chain",
		Long: "Reads the storage of a configuration: uploads, activations, rollbacks, deletions, kills, strikes and refused requests, oldest first. Each entry holds\n" +
			"the sum of the one before. --verify prints none and tells whether the chain holds, and where it is broken first. A chain cannot tell that its end\n" +
			"was cut: keep the head that --verify prints, or the lines `audit chain` of Caddy's log, elsewhere and give it as --head.\n" +
			"Exit code 0: the chain holds. 1: it is broken, or removed. 2: it could not be read, or nothing was ever stored there.",
		Args: none(),
		RunE: withArgs(runAudit),
	}
	storageFlags(cmd)
	cmd.Flags().Bool("verify", false, "Print no entries, only whether the chain holds")
	cmd.Flags().String("head", "", "An entry that has to be in the chain, as <number>:<sha256>")
	cmd.Flags().Bool("json", false, "Print entries as they are")
	return cmd
}

// storageFlags name a configuration whose storage is used.
func storageFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "Configuration file whose storage is used")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter of that file, if it is not JSON")
}

func runAudit(ctx context.Context, fl caddycmd.Flags, _ []string) (int, error) {
	anchor, err := anchorOf(fl.String("head"))
	if err != nil {
		return exitUnable, err
	}
	out := commandOutput()
	storage, err := configuredStorage(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return exitUnable, err
	}
	defer storage.close()
	r := storage.registry(out)
	var each func(e *registry.Entry, sum string)
	switch {
	case fl.Bool("verify"):
	case fl.Bool("json"):
		enc := json.NewEncoder(out)
		each = func(e *registry.Entry, sum string) {
			_ = enc.Encode(struct { // a broken pipe: nobody to tell
				*registry.Entry
				SHA256 string `json:"sha256"`
			}{e, sum})
		}
	default:
		each = func(e *registry.Entry, _ string) { fmt.Fprintln(out, entryLine(e)) }
	}
	chain, err := r.Verify(ctx, anchor, each)
	if err != nil {
		return exitUnable, err
	}
	if chain.Broken != nil {
		return 1, fmt.Errorf("the audit log is broken behind %d good entries: %w", chain.Entries, chain.Broken)
	}
	if chain.Entries == 0 {
		if err := storage.used(ctx, r); err != nil {
			return exitUnable, err
		}
		return 1, fmt.Errorf("the audit log in %s has no entry, though something was stored: it was removed, or the first upload of all ended half way", storage.place)
	}
	if fl.Bool("verify") {
		fmt.Fprintln(out, "storage:", plain(storage.place))
		fmt.Fprintf(out, "the chain holds: entries %d to %d in %d segments, head %d:%s\n", chain.First, chain.Last, chain.Segments, chain.Last, chain.Head)
	}
	return 0, nil
}

// anchorOf reads --head.
func anchorOf(s string) (registry.Anchor, error) {
	if s == "" {
		return registry.Anchor{}, nil
	}
	number, sum, _ := strings.Cut(s, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 1 || len(sum) != 64 {
		return registry.Anchor{}, errors.New("checking --head: it is the number of an entry and its sum, as 17:9f3c..., the way --verify prints it")
	}
	return registry.Anchor{Seq: seq, SHA256: sum}, nil
}

// entryLine is an entry for people.
func entryLine(e *registry.Entry) string {
	parts := []string{strconv.FormatInt(e.Seq, 10), e.Time.Format(time.RFC3339), string(e.Action), plain(e.Result), "by", strconv.Quote(plain(e.Actor))}
	for _, p := range [][2]string{{"from", e.Address}, {"tenant", e.Tenant}, {"module", e.Module}, {"version", e.Version}, {"sha256", e.ModuleSHA256}} {
		if p[1] != "" {
			parts = append(parts, p[0], plain(p[1]))
		}
	}
	if e.Note != "" {
		parts = append(parts, strconv.Quote(plain(e.Note)))
	}
	if e.Count > 0 {
		parts = append(parts, fmt.Sprintf("(%d times)", e.Count))
	}
	return strings.Join(parts, " ")
}
