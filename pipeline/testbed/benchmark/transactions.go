package main

// pairsPerRound is how many pairs of runs a round of transactions has: what is asked for is a difference of a tenth, and two runs of the
// same job in a row differ by that much on shared cores.
const pairsPerRound = 3

// transactions compares the whole job in transactions with itself without them.
func (b *bench) transactions() error {
	w := b.mainLoad()
	if err := b.topic(w); err != nil {
		return err
	}
	modes := []string{"whole", "idempotent"}
	runs := map[string][]usage{}
	for i := range b.rounds * pairsPerRound {
		// Who goes first finds the broker busy with what the pair before has left: they take turns.
		for _, mode := range []string{modes[i%2], modes[1-i%2]} {
			u, err := b.read(mode, w, sixIntervals)
			if err != nil {
				return err
			}
			say("pair %d %-10s %5.0f ns CPU a trade, %4.2f M trades/s", i+1, mode, cpuPerTrade(u), 1e3/flowPerTrade(u))
			runs[mode] = append(runs[mode], u)
		}
	}
	b.figure("transactional_over_idempotent_cpu_ratio", ratioOf(runs["whole"], runs["idempotent"], cpuPerTrade), "<=", 1.1)
	b.figure("transactional_over_idempotent_throughput_ratio", ratioOf(runs["idempotent"], runs["whole"], flowPerTrade), ">=", 0.9)
	return nil
}
