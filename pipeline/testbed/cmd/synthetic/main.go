// Command synthetic writes made-up trades as CSV, for the second symbol of the demo.
//
// The price is a random walk in whole ticks from a fixed seed. Only integers are used, so every machine writes the same bytes:
// compilers may fuse a float multiplication and addition on one architecture and not on another.
//
// It knows nothing of Kafka; scripts/make-demo-data.sh compresses what it writes.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
)

// settings is one run: count trades at rising times inside [from, to], both in ms since 1970.
type settings struct {
	seed     uint64
	count    int
	from, to int64
}

// walk is the state of the random walk. The price is in hundredths, the size in thousandths.
type walk struct {
	random *rand.Rand
	price  int64
	trend  int64
	busy   int64
}

const (
	startPrice = 25_000 // 250.00
	lowPrice   = 5_000  // 50.00: the walk is pushed back here, so that a price stays positive
	highPrice  = 90_000
)

// step moves the price by some ticks and returns it with a size. Trend and activity change slowly, so that the
// chart has trends and quiet stretches instead of plain noise.
func (w *walk) step() (price, size int64) {
	if w.random.IntN(400) == 0 {
		w.trend = w.random.Int64N(7) - 3
		w.busy = 1 + w.random.Int64N(12)
	}
	w.price += w.random.Int64N(2*w.busy+1) - w.busy
	if w.random.IntN(4) == 0 {
		w.price += w.trend
	}
	switch {
	case w.price < lowPrice:
		w.price = 2*lowPrice - w.price
	case w.price > highPrice:
		w.price = 2*highPrice - w.price
	}
	size = 1 + w.random.Int64N(1_000)
	if w.random.IntN(50) == 0 {
		size *= 20
	}
	return w.price, size
}

// times returns count rising times of [from, to]. Both ends are taken, so that the two demo symbols cover the same span.
func (s settings) times(random *rand.Rand) []int64 {
	at := make([]int64, s.count)
	for i := range at {
		at[i] = s.from + random.Int64N(s.to-s.from+1)
	}
	slices.Sort(at)
	at[0], at[s.count-1] = s.from, s.to
	return at
}

func (s settings) check() error {
	switch {
	case s.count < 2:
		return errors.New("checking -trades: at least 2 are needed")
	case s.from <= 0 || s.to <= s.from:
		return fmt.Errorf("checking -from %d and -to %d: both are ms since 1970, and -to is later", s.from, s.to)
	}
	return nil
}

func write(out io.Writer, s settings) error {
	if err := s.check(); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(s.seed, s.seed))
	w := walk{random: random, price: startPrice, busy: 3}
	buffered := bufio.NewWriter(out)
	fmt.Fprintln(buffered, "ts,price,size")
	for _, at := range s.times(random) {
		price, size := w.step()
		fmt.Fprintf(buffered, "%d,%d.%02d,%d.%03d\n", at, price/100, price%100, size/1000, size%1000)
	}
	return buffered.Flush()
}

func main() {
	var s settings
	flag.Uint64Var(&s.seed, "seed", 1, "seed of the random walk")
	flag.IntVar(&s.count, "trades", 20_000, "number of trades")
	flag.Int64Var(&s.from, "from", 0, "time of the first trade, ms since 1970 UTC")
	flag.Int64Var(&s.to, "to", 0, "time of the last trade, ms since 1970 UTC")
	flag.Parse()
	if err := write(os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "synthetic:", err)
		os.Exit(1)
	}
}
