package caddymodule

// runningFeed is a feed that the core runs now.
type runningFeed struct {
	fingerprint string
	detach      func()
}

// reconcileFeeds makes the core run the feeds of the current attachment and no
// others. A feed that is the same in two configs goes on where it was; one that
// changed is stopped before its successor starts, so that no trade is sent by
// both. It runs under startMu.
func (e *engine) reconcileFeeds() {
	if phase(e.phase.Load()) != phaseRunning {
		return
	}
	wanted := make(map[string]Feed)
	if a := e.lent.newest(); a != nil {
		for _, f := range a.feeds {
			wanted[f.SourceName()] = f
		}
	}
	for name, r := range e.feeds {
		if f := wanted[name]; f == nil || f.Fingerprint() != r.fingerprint {
			r.detach()
			delete(e.feeds, name)
		}
	}
	for name, f := range wanted {
		if e.feeds[name] == nil {
			e.startFeed(name, f)
		}
	}
}

// startFeed logs what is wrong instead of failing: the engine works without
// the feed, and the same reload may have changed ten other things.
func (e *engine) startFeed(name string, f Feed) {
	r, err := f.BuildFeed(feedEnv{clock: e.clock, observer: e.metrics, log: e.lent.logger()})
	if err != nil {
		e.metrics.FeedError(name, "build")
		e.lent.logger().Error("feed did not start", "source", name, "error", err)
		return
	}
	core := *e.core.Load()
	e.feeds[name] = &runningFeed{fingerprint: f.Fingerprint(), detach: core.Attach(r)}
}

// stopFeeds runs under startMu.
func (e *engine) stopFeeds() {
	for name, r := range e.feeds {
		r.detach()
		delete(e.feeds, name)
	}
}
