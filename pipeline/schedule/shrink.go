package schedule

// Shrink looks for a smaller schedule of the same seed that still violates
// something, by leaving events out: first large pieces, then single ones until
// none can go. The result of the smallest one has a trace.
func Shrink(r *Runner, o Options) (Options, Result) {
	o.Trace = false
	res := r.Run(o)
	if res.Err == nil {
		return o, res
	}
	events := res.Events
	for size := len(events); size > 0; {
		before := len(events)
		events = without(r, o, events, size)
		if size > 1 {
			size /= 2
		} else if len(events) == before {
			break
		}
	}
	o.Only, o.Trace = set(events), true
	return o, r.Run(o)
}

// without leaves out all pieces of so many events that are not needed.
func without(r *Runner, o Options, events []int, size int) []int {
	for at := 0; at < len(events); {
		less := append(append([]int(nil), events[:at]...), events[min(at+size, len(events)):]...)
		o.Only = set(less)
		if r.Run(o).Err == nil {
			at += size
		} else {
			events = less
		}
	}
	return events
}

func set(events []int) map[int]bool {
	s := make(map[int]bool, len(events))
	for _, e := range events {
		s[e] = true
	}
	return s
}
