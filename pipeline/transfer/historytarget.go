package transfer

import (
	"context"
	"fmt"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// History is the table of klines of a database as a Target. The sink must be
// open; positions of topics are not touched.
type History struct {
	name string
	sink history.Sink
}

// NewHistory makes a target of a sink. name says where it is, without secrets.
func NewHistory(name string, sink history.Sink) *History { return &History{name, sink} }

// Name implements Target.
func (h *History) Name() string { return "history " + h.name }

// Write implements Target. A row that the database refuses ends it; no row of
// the batch is stored then.
func (h *History) Write(ctx context.Context, b *Batch) error {
	if len(b.Klines) == 0 {
		return nil
	}
	err := h.sink.Write(ctx, &history.Batch{
		Topic: "import", Klines: b.Klines,
		Refuse: func(_ context.Context, refused []history.Refusal) error {
			var lines []string
			for _, r := range refused[:min(len(refused), 3)] {
				lines = append(lines, fmt.Sprintf("line %d: %v", b.Klines[r.Row].Offset, r.Cause))
			}
			return fmt.Errorf("the database refuses %d bars (%s)", len(refused), strings.Join(lines, "; "))
		},
	})
	if err != nil {
		return fmt.Errorf("writing into the history %s: %w", h.name, err)
	}
	return nil
}

var _ Target = (*History)(nil)
