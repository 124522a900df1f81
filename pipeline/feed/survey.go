package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// survey is what one look at the whole file tells: that every line can be read,
// so that a replay of hours does not end at a typing error, and what is needed
// to number trades and to find a place again.
type survey struct {
	rows          int64
	fileIDs       bool // the file's ids are used, else trades are numbered from 1
	lowest, shift int64
	first, last   int64 // event times, ms
	disorder      int64 // furthest step back from the newest event time, ms
	symbols       []string
}

// maxStepBack is how far event times may go back in a file that is played by
// them, ms. Beyond it the file is not in order, and everything behind the step
// would go out at once.
const maxStepBack = 60_000

// surveyor makes a survey, row by row.
type surveyor struct {
	survey
	rebase  bool
	highest int64
	ids     map[string]int64 // last id per symbol
}

// surveyFile reads the whole file.
func surveyFile(ctx context.Context, cfg *ReplayConfig) (*survey, error) {
	in, err := openRows(cfg)
	if err != nil {
		return nil, err
	}
	defer in.close()
	s := surveyor{rebase: cfg.RebaseNow, ids: map[string]int64{}}
	var t core.Trade
	for {
		line, err := in.next(&t)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(&t); err != nil {
			return nil, fmt.Errorf("reading %s:%d: %w", in.name, line, err)
		}
	}
	if s.rows == 0 {
		return nil, fmt.Errorf("reading %s: it holds no trade", in.name)
	}
	s.shift = s.rows
	if s.fileIDs {
		if s.lowest < 0 && s.highest > math.MaxInt64+s.lowest {
			return nil, fmt.Errorf("reading %s: its ids span more than 63 bits", in.name)
		}
		s.shift = s.highest - s.lowest + 1
	}
	return &s.survey, nil
}

func (s *surveyor) add(t *core.Trade) error {
	ms := t.EventNS / nanosPerMilli
	if s.rows == 0 {
		s.first, s.last = ms, ms
		s.fileIDs = t.ID.Kind == core.IDInt
		s.lowest, s.highest = 1, 1
		if s.fileIDs {
			s.lowest, s.highest = t.ID.Num, t.ID.Num
		}
	}
	if s.rebase && ms < s.last-maxStepBack {
		return fmt.Errorf("the event time goes back by %d ms: sort the file by time", s.last-ms)
	}
	s.disorder = max(s.disorder, s.last-ms)
	s.first, s.last = min(s.first, ms), max(s.last, ms)
	s.rows++
	last, seen := s.ids[string(t.Symbol)]
	if !seen {
		s.symbols = append(s.symbols, string(t.Symbol))
	}
	if !s.fileIDs {
		s.ids[string(t.Symbol)] = s.rows
		return nil
	}
	if t.ID.Kind != core.IDInt {
		return errors.New("the trade has no integer id, those before it have one")
	}
	if seen && t.ID.Num <= last {
		return fmt.Errorf("id %d does not ascend (last of its symbol: %d); sort the file, or leave the ids out and the trades are numbered", t.ID.Num, last)
	}
	s.ids[string(t.Symbol)] = t.ID.Num
	s.lowest, s.highest = min(s.lowest, t.ID.Num), max(s.highest, t.ID.Num)
	return nil
}

// id is the file's id of the trade that is row n, from 1.
func (s *survey) id(t *core.Trade, n int64) int64 {
	if s.fileIDs {
		return t.ID.Num
	}
	return n
}

const nanosPerMilli = 1_000_000
