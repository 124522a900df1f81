package schedule

// event is something that may happen next, to a node and a partition that are
// drawn with it. do reports false if it could not happen.
type event struct {
	name   string
	weight int
	fault  bool // drawn more or less often, as the plan says
	do     func(w *world, n *node, p int) bool
}

func events() []event {
	return []event{
		{"produce", 14, false, (*world).produce},
		{"clock", 20, false, (*world).tickClock},
		{"connect", 20, false, func(_ *world, n *node, _ int) bool { return n.connect() }},
		{"init", 20, false, func(_ *world, n *node, _ int) bool { return n.init() }},
		{"sync", 20, false, func(_ *world, n *node, _ int) bool { return n.sync() }},
		{"restore", 40, false, onWorker((*worker).restore)},
		{"fetch", 40, false, (*world).fetch},
		{"tick", 30, false, func(_ *world, n *node, p int) bool { return n.tick(p) }},
		{"silence", 16, false, (*world).silence},
		{"tick and commit", 6, false, (*world).tickAndCommit},
		{"act", 20, false, onWorker((*worker).finishDecision)},
		{"publish", 70, false, (*world).publish},
		{"checkpoint", 8, false, onWorker((*worker).ask)},
		{"commit", 60, false, (*world).commit},
		{"marker", 30, false, (*world).markers},
		{"follow", 12, false, (*world).follow},
		{"move", 2, false, (*world).move},
		{"start", 20, false, func(_ *world, n *node, _ int) bool { return n.start() }},
		{"crash", 5, true, func(_ *world, n *node, _ int) bool { return n.crash() }},
		{"stop", 8, false, (*world).stop},
		{"wake", 6, false, (*world).wake},
		{"expire", 16, false, (*world).expire},
		{"timeout", 6, true, (*world).timeout},
		{"land", 8, false, (*world).landSend},
		{"land end", 8, false, (*world).landEnd},
		{"damage", 2, true, (*world).damage},
		{"flush", 1, true, (*world).flushView},
		{"save", 3, true, (*world).saveView},
		{"regress", 2, true, (*world).regressView},
	}
}

// onWorker is an event of a worker alone.
func onWorker(do func(*worker) bool) func(*world, *node, int) bool {
	return func(_ *world, n *node, p int) bool {
		x := n.worker(p)
		return x != nil && do(x)
	}
}

// worker is the worker of p, if the node can do anything.
func (n *node) worker(p int) *worker {
	if !n.alive() || !n.connected {
		return nil
	}
	return n.workers[p]
}
