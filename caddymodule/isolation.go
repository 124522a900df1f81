package caddymodule

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

const (
	isolationCheck = "check" // the value of the word isolation
	examineName    = "examine"

	// examineTime bounds an examination with the start of its process. The checks
	// end by themselves long before, on a busy machine after 100 s.
	examineTime = 2 * time.Minute
	maxReport   = 1 << 20 // bytes of an answer

	// examineUnable is how the process says that it could not examine. A Go
	// program that breaks ends with 2.
	examineUnable = 70
	// examineBusy is how it says that the machine had no time for it.
	examineBusy = 75
)

// isolated reads the word isolation.
func (i *Indicators) isolated() (bool, error) {
	switch {
	case i == nil || i.Isolation == "":
		return false, nil
	case i.Isolation != isolationCheck:
		return false, fmt.Errorf("checking isolation: unknown value %q (allowed: check)", cut(i.Isolation))
	case !canIsolate:
		return false, errors.New("checking isolation: it needs Linux, whose limits of a process it uses")
	}
	return true, nil
}

// isolation examines modules in a process of its own: the same program, with an
// empty environment, an empty network, and limits of memory, processor and files.
// What a module could do to the process that examines it, it does to that one.
// The process may not write files either, so it does not share the cache of
// compiled code, which this one would run.
type isolation struct {
	program string // path; empty: that of this process
}

// vet implements registry.Vet.
func (p isolation) vet(ctx context.Context, wasm, previous []byte) (*registry.Report, error) {
	program := p.program
	if program == "" {
		own, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("examining a module in its own process: finding this program: %w", err)
		}
		program = own
	}
	limited, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	answer, ended, err := runIsolated(limited, program, encodeExamination(wasm, previous))
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("examining a module in its own process: %w", ctx.Err())
	case limited.Err() != nil:
		return nil, busy(fmt.Errorf("examining a module in its own process: it took longer than %v", examineTime))
	case err != nil:
		return nil, fmt.Errorf("examining a module in its own process: %w", err)
	}
	var report vet.Report
	if json.Unmarshal(answer, &report) == nil && ended == nil && report.SHA256 != "" {
		return reportOf(&report), nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](ended); ok && (exit.ExitCode() == examineUnable || exit.ExitCode() == examineBusy) {
		err := fmt.Errorf("examining a module in its own process: %s", cut(plain(string(exit.Stderr))))
		if exit.ExitCode() == examineBusy {
			return nil, busy(err)
		}
		return nil, err
	}
	return &registry.Report{Findings: []registry.Finding{{
		Stage: "isolation", Code: "isolation", Severity: registry.SeverityError,
		Message: fmt.Sprintf("the process that examined the module ended without a result (%v): the module takes more memory or time than an examination has, or breaks what runs it", ended),
	}}}, nil
}

// runIsolated gives a process its input and returns its output. ended is how it
// ended, nil for well; err is that it could not be run.
func runIsolated(ctx context.Context, program string, input []byte) (output []byte, ended, err error) {
	for _, namespaces := range []bool{true, false} { // not every container may make some
		cmd := exec.CommandContext(ctx, program, "kline", "indicator", examineName) // #nosec G204 -- this program
		cmd.Env, cmd.Dir = []string{"HOME=/nonexistent", "GOMAXPROCS=2"}, "/"
		out, said := &boundedBuffer{limit: maxReport}, &boundedBuffer{limit: 4 << 10}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), out, said
		isolateProcess(cmd, namespaces)
		runtime.LockOSThread() // the process ends with the thread that has started it
		if err = cmd.Start(); err != nil {
			runtime.UnlockOSThread()
			continue
		}
		ended = cmd.Wait()
		runtime.UnlockOSThread()
		if exit, ok := errors.AsType[*exec.ExitError](ended); ok {
			exit.Stderr = said.b.Bytes()
		}
		return out.b.Bytes(), ended, nil
	}
	return nil, nil, err
}

// boundedBuffer keeps the beginning of what is written to it.
type boundedBuffer struct {
	b     bytes.Buffer
	limit int
}

// Write implements io.Writer.
func (w *boundedBuffer) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), max(0, w.limit-w.b.Len()))])
	return len(p), nil
}

// encodeExamination puts both modules behind their lengths.
func encodeExamination(wasm, previous []byte) []byte {
	out := make([]byte, 0, 16+len(wasm)+len(previous))
	for _, b := range [][]byte{wasm, previous} {
		out = append(binary.LittleEndian.AppendUint64(out, uint64(len(b))), b...)
	}
	return out
}

func decodeExamination(r io.Reader) (parts [2][]byte, err error) {
	for i := range parts {
		var size uint64
		if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
			return parts, err
		}
		if size > maxModuleSize {
			return parts, fmt.Errorf("a module of %d bytes", size)
		}
		parts[i] = make([]byte, size)
		if _, err := io.ReadFull(r, parts[i]); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// examineCommand is the other end: no command for people.
func examineCommand() *cobra.Command {
	return &cobra.Command{
		Use: examineName, Hidden: true, Args: cobra.NoArgs,
		Short: "Examines a module on its standard input, for a node with isolation check",
		RunE:  caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return examineInput(os.Stdin, os.Stdout) }),
	}
}

func examineInput(in io.Reader, out io.Writer) (int, error) {
	if err := limitProcess(); err != nil {
		return examineUnable, fmt.Errorf("limiting the process: %w", err)
	}
	modules, err := decodeExamination(in)
	if err != nil {
		return examineUnable, fmt.Errorf("reading the modules: %w", err)
	}
	o := vet.Options{Now: clock.Real().Now}
	if len(modules[1]) > 0 {
		o.Previous = modules[1]
	}
	report, err := vet.Run(context.Background(), modules[0], o)
	if errors.Is(err, vet.ErrBusy) {
		return examineBusy, err
	}
	if err != nil {
		return examineUnable, err
	}
	return 0, json.NewEncoder(out).Encode(report)
}
