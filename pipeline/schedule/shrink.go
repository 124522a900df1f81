package schedule

import "maps"

// Shrink looks for a smaller schedule of the same seed that still violates
// something, by leaving events out: first large pieces, then single ones. The
// result of the smallest one has a trace.
func Shrink(r *Runner, o Options) (Options, Result) {
	o.Trace = false
	res := r.Run(o)
	if res.Err == nil {
		return o, res
	}
	events := res.Events
	for size := len(events); size > 0; size /= 2 {
		for at := 0; at < len(events); {
			less := o
			less.Skip = maps.Clone(o.Skip)
			if less.Skip == nil {
				less.Skip = map[int]bool{}
			}
			end := min(at+size, len(events))
			for _, e := range events[at:end] {
				less.Skip[e] = true
			}
			if r.Run(less).Err == nil {
				at = end
				continue
			}
			o = less
			events = append(events[:at:at], events[end:]...)
		}
	}
	o.Trace = true
	return o, r.Run(o)
}
