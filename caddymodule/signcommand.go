package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"aead.dev/minisign"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// signVariable is where commands find the password of a key.
	signVariable    = "KLINE_SIGN_PASSWORD"
	signatureSuffix = ".minisig"
)

func signCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign <file> --key <file> | --new-key <file>",
		Short: "Signs a module, or makes a key to sign with",
		Long: "Writes <file>.minisig, which push and install send along. --new-key makes a key, protected by the password, and prints the line for trusted_keys; its\n" +
			"public half is written beside it as .pub. Keys and signatures are those of minisign, which can be used instead.\n" +
			"The password is read from " + signVariable + ", never from an argument.",
		Args: atMostOne("the module to sign, a .wasm file"),
		RunE: withArgs(runSign),
	}
	cmd.Flags().String("key", "", "The file of the private key")
	cmd.Flags().String("new-key", "", "Make a key and write it to this file")
	return cmd
}

func runSign(ctx context.Context, fl caddycmd.Flags, args []string) (int, error) {
	if file := fl.String("new-key"); file != "" {
		return newSigningKey(file)
	}
	if len(args) == 0 || fl.String("key") == "" {
		return exitUnable, errors.New("a module or --key is missing: indicator sign <file> --key <file>")
	}
	wasm, err := readModule(args[0])
	if err != nil {
		return exitUnable, err
	}
	signature, err := sign(ctx, wasm, fl.String("key"))
	if err != nil {
		return exitUnable, err
	}
	if err := os.WriteFile(args[0]+signatureSuffix, signature, 0o644); err != nil {
		return exitUnable, fmt.Errorf("writing the signature: %w", err)
	}
	fmt.Fprintf(commandOutput(), "signed: %s\n", args[0]+signatureSuffix)
	return 0, nil
}

// sign signs a module that passes the checks: name and version stand in the
// comment for people.
func sign(ctx context.Context, wasm []byte, keyFile string) ([]byte, error) {
	report, _, err := examine(ctx, wasm, commandOutput())
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	comment := fmt.Sprintf("caddy-kline module %s %s, signed %s", report.Module, report.Version, clock.Real().Now().UTC().Format("2006-01-02"))
	return minisign.SignWithComments(key, wasm, comment, "signature of key "+registry.KeyID(key.ID())), nil
}

// readKey reads a private key. Its errors name the file, never what is in it.
func readKey(file string) (minisign.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return minisign.PrivateKey{}, fmt.Errorf("reading the key: %w", err)
	}
	var key minisign.PrivateKey
	if !minisign.IsEncrypted(text) {
		err = key.UnmarshalText(text)
	} else {
		key, err = minisign.DecryptKey(os.Getenv(signVariable), text)
	}
	if err != nil {
		return minisign.PrivateKey{}, fmt.Errorf("reading the key: %s is not a private key of minisign, or the password in %s is wrong", file, signVariable)
	}
	return key, nil
}

// newSigningKey makes a pair. It never replaces one.
func newSigningKey(file string) (int, error) {
	password := os.Getenv(signVariable)
	if password == "" {
		return exitUnable, fmt.Errorf("making a key: set %s to the password that protects it", signVariable)
	}
	if _, err := os.Lstat(file); err == nil { // it costs seconds to protect a key
		return exitUnable, fmt.Errorf("writing a key: %s is there already, and a key is never replaced", file)
	}
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		return exitUnable, fmt.Errorf("making a key: %w", err)
	}
	text, err := minisign.EncryptKey(password, private)
	if err != nil {
		return exitUnable, fmt.Errorf("making a key: %w", err)
	}
	shared, err := public.MarshalText()
	if err != nil {
		return exitUnable, fmt.Errorf("making a key: %w", err)
	}
	if err := writeNew(file, text, 0o600); err != nil {
		return exitUnable, err
	}
	if err := writeNew(file+".pub", shared, 0o644); err != nil {
		return exitUnable, err
	}
	fmt.Fprintf(commandOutput(), "key %s: %s and %s.pub\ntrusted_keys %s %s\n", registry.KeyID(public.ID()), file, file, defaultTenant, public)
	return 0, nil
}

func writeNew(file string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	return nil
}

// signatureFlags let a command send a signature along.
func signatureFlags(cmd *cobra.Command) {
	cmd.Flags().String("sign", "", "Sign the module with the private key in this file")
	cmd.Flags().String("signature", "", "A file that minisign or the command sign has written. Default: <file>"+signatureSuffix+", if it is there")
}

// signatureFor is what is sent along with a module, empty for nothing.
func signatureFor(ctx context.Context, fl caddycmd.Flags, wasm []byte) (string, error) {
	if key := fl.String("sign"); key != "" {
		b, err := sign(ctx, wasm, key)
		return string(b), err
	}
	file := fl.String("signature")
	b, err := os.ReadFile(file)
	if file == "" {
		b, err = os.ReadFile(fl.Arg(0) + signatureSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("reading the signature: %w", err)
	}
	return string(b), nil
}
