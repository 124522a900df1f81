package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Whoever reads why a partition failed, or why a client ended, has a broker before them
// and not this code: the sentence says what to do about it.
func TestWhatAnOperatorHasToDoIsSaid(t *testing.T) {
	group, direct := &Client{}, &Client{cfg: ClientConfig{Direct: true}}
	for _, tt := range []struct {
		got        error
		cause      error
		want, lack string
	}{
		{got: explainWrite("klines", 1, kerr.UnknownTopicOrPartition), cause: kerr.UnknownTopicOrPartition, want: "a restart of the node creates it again"},
		{got: explainWrite("klines", 1, kerr.MessageTooLarge), cause: kerr.MessageTooLarge, want: "max.message.bytes"},
		{got: explainWrite("klines", 1, kerr.InvalidTimestamp), cause: kerr.InvalidTimestamp, want: "message.timestamp.before.max.ms"},
		{got: explainWrite("klines", 1, kerr.NotLeaderForPartition), cause: kerr.NotLeaderForPartition, want: "writing to klines[1]", lack: "has to be"},
		{got: group.explainFailed(fmt.Errorf("restoring: %w", ErrStateLost)), cause: ErrStateLost, want: "another group and output_prefix"},
		{got: group.explainFailed(fmt.Errorf("restoring: %w", ErrJournalLost)), cause: ErrJournalLost, want: "another group and output_prefix"},
		{got: group.explainFailed(fmt.Errorf("restoring: %w", ErrInputLost)), cause: ErrInputLost, want: "another group and output_prefix"},
		{got: group.explainFailed(fmt.Errorf("restoring: %w", ErrEnded)), cause: ErrEnded, want: "restoring", lack: "group"},
		{got: explain(fmt.Errorf("writing: %w", kerr.InvalidProducerEpoch)), cause: kerr.InvalidProducerEpoch, want: "give each node its own word node"},
		{got: explain(fmt.Errorf("committing: %w", kerr.ProducerFenced)), cause: ErrFencedProducer, want: "group and node"},
		{got: explain(fmt.Errorf("polling: %w (%w)", ErrFencedInstance, kerr.FencedInstanceID)), cause: ErrFencedInstance, want: "the same node id", lack: "transactional id"},
		{got: explain(fmt.Errorf("polling: %w", kerr.SaslAuthenticationFailed)), cause: ErrAccess, want: "word sasl"},
		{got: direct.explainFailed(fmt.Errorf("restoring: %w", ErrStateLost)), cause: ErrStateLost, want: "restoring", lack: "group and"},
	} {
		if text := tt.got.Error(); !errors.Is(tt.got, tt.cause) || !strings.Contains(text, tt.want) || tt.lack != "" && strings.Contains(text, tt.lack) {
			t.Errorf("%v: want %q in it and not %q", tt.got, tt.want, tt.lack)
		}
	}
}
