package caddymodule

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestStatusWithoutAnswerSaysWhatToDo(t *testing.T) {
	for text, want := range map[string][]string{
		"performing request: dial tcp 127.0.0.1:2019: connect: connection refused": {"no Caddy answers at the admin endpoint 127.0.0.1:2019", "start it", "--address", "connection refused"},
		"caddy responded with error: HTTP 404: {}":                                 {"has no kline configured", "--config"},
	} {
		got := unanswered("127.0.0.1:2019", errors.New(text)).Error()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s gives %q, want %q in it", text, got, w)
			}
		}
	}
}

func TestStatusIsPrintedForPeopleAndForPrograms(t *testing.T) {
	const body = `{"version":"v1","ready":false,"reasons":["waiting"],"degraded":["source"],"delivery":"idempotent","node":"n1","store":"memory","partitions":[{"partition":3,"state":"failed","next":7,"lag":2,"symbols":1,"error":"gone","sources":[{"source":"replay","watermark":1700000000123,"state":"active","counts":true},{"source":"a\u001b[2J","watermark":0,"state":"silent","counts":false}]}],"watermark":1700000000123,"feeds":[{"source":"replay","state":"running","trades":9}]}`
	var people, programs strings.Builder
	if err := printStatus(false, []byte(body), &people); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ready      false", "waiting", "degraded   source", "watermark  2023-11-14T22:13:20.123Z", "replay  3          active  2023-11-14T22:13:20.123Z", "a?[2J   3          silent  none yet", "3          failed  7     2    1        gone", "replay  running  9"} {
		if !strings.Contains(people.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", people.String(), want)
		}
	}
	if err := printStatus(true, []byte(body), &programs); err != nil {
		t.Fatal(err)
	}
	if programs.String() != body+"\n" {
		t.Errorf("got %s, want it as it came", programs.String())
	}
	if err := printStatus(false, []byte("<html>"), &people); err == nil {
		t.Error("text that is no status was printed")
	}
}

// What producers, brokers, venues and databases said must not move the cursor of
// who looks, nor turn the order of what he reads.
func TestStatusHasNothingThatMovesTheCursor(t *testing.T) {
	const evil = `\u001b[2J\u009b2J\u202ea\u2066b\u2028`
	body := strings.ReplaceAll(`{"reasons":["E"],"degraded":["E"],"node":"E","broker":"E","store":"E","partitions":[{"error":"E","sources":[{"source":"E"}]}],"feeds":[{"source":"E","state":"running","error":"E"}]}`, "E", evil)
	var people strings.Builder
	if err := printStatus(false, []byte(body), &people); err != nil {
		t.Fatal(err)
	}
	if got := people.String(); strings.ContainsAny(got, "\x1b\u009b\u202e\u2066\u2028") || strings.Count(got, "?[2J") != 9 {
		t.Errorf("got\n%q", got)
	}
}

// A script that misspells a command must not go on as if it had run.
func TestAWordThatIsNoCommandIsAnError(t *testing.T) {
	for _, words := range [][]string{{"foo"}, {"stats", "--json"}, {"indicator", "vett", "x.wasm"}, {"import", "bar"}, {"status", "extra"}} {
		cmd := &cobra.Command{Use: "kline", SilenceUsage: true, SilenceErrors: true}
		command().CobraFunc(cmd)
		cmd.SetArgs(words)
		cmd.SetOut(io.Discard)
		cmd.FParseErrWhitelist.UnknownFlags = true
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), words[len(words)-1]) && !strings.Contains(err.Error(), "there are:") {
			t.Errorf("%v: %v", words, err)
		}
	}
}
