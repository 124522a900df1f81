package indicators

// neumaier is a running sum with compensation: the rounding error of every
// addition is collected beside it. Removing a value is adding its negative. A
// plain sum never recovers from one bad tick of 1e9, and Kahan's variant is
// worse than none when the sum comes near zero.
type neumaier struct {
	s, comp float64
}

// add puts x into the sum. The rounding error of the addition is computed
// without asking which operand is larger: the same bits as with the comparison,
// a tenth to a fifth less time, because in a short window the answer is a coin
// toss that the processor predicts wrong.
func (a *neumaier) add(x float64) {
	t := a.s + x
	b := t - a.s
	a.comp += (a.s - (t - b)) + (x - b)
	a.s = t
}

// replace is add(-old) and then add(x), with the sum in registers between.
func (a *neumaier) replace(old, x float64) {
	t := a.s - old
	b := t - a.s
	comp := a.comp + ((a.s - (t - b)) + (-old - b))
	u := t + x
	b = u - t
	a.comp = comp + ((t - (u - b)) + (x - b))
	a.s = u
}

// set makes the sum exactly x.
func (a *neumaier) set(x float64) {
	a.s = x
	a.comp = 0
}

// value is the sum, rounded once.
func (a *neumaier) value() float64 { return a.s + a.comp }
