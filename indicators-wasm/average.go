package indicators

// average is an exponential recursion with the seed of TA-Lib: the arithmetic
// mean of the first n values, summed oldest to newest and divided once. Errors
// of a recursion decay, so it needs no compensation. One average is fed by ema,
// by rma or by blend, never by two of them.
type average struct {
	n     uint32
	seen  uint32  // values seen, at most n
	y     float64 // the sum while seeding, the average after it
	alpha float64 // weight of a new value in ema
}

// start prepares an average of n values; the memory is zeroed already.
func (a *average) start(n uint32) {
	a.n = n
	a.alpha = 2 / float64(n+1)
}

// full reports whether the seed is complete.
func (a *average) full() bool { return a.seen == a.n }

// young reports whether the next value goes to seed: the recursions are for
// the values after it.
func (a *average) young() bool { return a.seen < a.n || a.n == 1 }

// seed takes one of the first n values. A period of 1 stays here for ever: it
// copies its input, which the recursion would only do up to rounding.
func (a *average) seed(x float64) {
	if a.n == 1 {
		a.seen = 1
		a.y = x
		return
	}
	a.seen++
	a.y += x
	if a.seen == a.n {
		a.y /= float64(a.n)
	}
}

// ema takes one value with weight 2/(n+1).
func (a *average) ema(x float64) {
	if a.young() {
		a.seed(x)
		return
	}
	a.nextEMA(x)
}

// nextEMA is ema of an average that is not young. The form y + a*(x-y) keeps a
// constant input exactly constant.
func (a *average) nextEMA(x float64) { a.y += float64(a.alpha * (x - a.y)) }

// rma takes one value with weight 1/n (Wilder).
func (a *average) rma(x float64) {
	if a.young() {
		a.seed(x)
		return
	}
	a.nextRMA(x)
}

// nextRMA is rma of an average that is not young.
func (a *average) nextRMA(x float64) { a.y += (x - a.y) / float64(a.n) }

// blend is Wilder's recursion in the form of the Chinese platforms,
// ((n-1)*y + x)/n, without a seed phase.
func (a *average) blend(x float64) {
	n := float64(a.n)
	a.y = (float64((n-1)*a.y) + x) / n
}

// decayEMA is the number of bars after which the seed of an EMA has lost all
// but e^-10 of its weight, E(n) of the design.
func decayEMA(n uint32) int32 { return 5 * int32(n+1) }

// decayRMA is the same count for a Wilder average, W(n).
func decayRMA(n uint32) int32 { return 10 * int32(n) }
