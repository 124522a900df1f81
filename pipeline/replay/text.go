package replay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// textSink writes closed and restated bars as lines: the JSON of the topic, or
// CSV with the values of the configured instances.
type textSink struct {
	w         *bufio.Writer
	csv       bool
	symbols   map[string]bool // nil: all
	instances []pipeline.Instance
	line      []byte
	kline     wire.KlineRecord
}

// Lines writes JSON lines to w, of the symbols named, or of all if none is.
func Lines(w io.Writer, symbols map[string]bool) Sink {
	return &textSink{w: bufio.NewWriterSize(w, 1<<16), symbols: symbols}
}

// CSV writes a header and a line per bar to w. A value's column is called by
// its instance, with the name of the output behind a dot.
func CSV(w io.Writer, symbols map[string]bool, instances []pipeline.Instance) (Sink, error) {
	s := &textSink{w: bufio.NewWriterSize(w, 1<<16), csv: true, symbols: symbols, instances: instances}
	_, err := s.w.Write(s.header())
	return s, err
}

func (s *textSink) header() []byte {
	line := []byte("symbol,interval,open_time,close_time,open,high,low,close,volume,quote_volume,trades,buy_volume,buy_quote_volume,vwap,rev,seq")
	for _, in := range s.instances {
		for _, output := range in.Outputs {
			// Instances have commas in their parentheses.
			line = append(line, `,"`...)
			line = append(append(append(line, in.Name...), '.'), output...)
			line = append(line, '"')
		}
	}
	return append(line, '\n')
}

// Put implements Sink.
func (s *textSink) Put(_ context.Context, _ int32, outs []kafka.Out) error {
	for i := range outs {
		o := &outs[i]
		if o.Topic != kafka.Klines || kind(o) != "" {
			continue
		}
		if s.csv || s.symbols != nil {
			if err := wire.DecodeKline(o.Value, &s.kline); err != nil {
				return fmt.Errorf("writing a bar: %w", err)
			}
			if s.symbols != nil && !s.symbols[s.kline.Sym] {
				continue
			}
		}
		s.line = append(s.line[:0], o.Value...)
		if s.csv {
			s.row()
		}
		if _, err := s.w.Write(append(s.line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// row makes the line of a bar. No field needs quotes: symbols, intervals and
// numbers are all there is.
func (s *textSink) row() {
	k := &s.kline
	s.line = append(s.line[:0], k.Sym...)
	s.line = append(append(s.line, ','), k.Itv...)
	number := func(n int64) { s.line = strconv.AppendInt(append(s.line, ','), n, 10) }
	number(k.T)
	number(k.CloseT)
	for _, v := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV} {
		s.line = append(append(s.line, ','), v...)
	}
	number(k.N)
	for _, v := range [...][]byte{k.BV, k.BQV, k.VWAP} {
		s.line = append(append(s.line, ','), v...)
	}
	number(int64(k.Rev))
	number(k.Seq)
	for i := range k.Ind {
		for _, v := range k.Ind[i].V { // null is an empty field
			s.line = append(append(s.line, ','), v...)
		}
	}
}

// kind is the header k of an output.
func kind(o *kafka.Out) string {
	for i := range o.Headers {
		if o.Headers[i].Key == wire.HeaderKind {
			return string(o.Headers[i].Value)
		}
	}
	return ""
}

// Flush implements Sink.
func (s *textSink) Flush(context.Context) error { return s.w.Flush() }

var _ Sink = (*textSink)(nil)
