package kafka

import "context"

// LastRecord returns the newest record of topic[p] that match accepts, reading
// backwards in steps that grow from 256 to 16 384 offsets. ok is false if there
// is none. A feed uses it to find the last trade of a symbol and to go on there.
func LastRecord(ctx context.Context, cluster Cluster, topic string, p int32, match func(*Rec) bool) (last Rec, ok bool, err error) {
	start, end, err := Bounds(ctx, cluster, topic, p)
	if err != nil {
		return Rec{}, false, err
	}
	for step := int64(256); end > start && !ok; step = min(step*4, 16_384) {
		low := max(start, end-step)
		err := ReadRange(ctx, cluster, topic, p, low, end, func(r Rec) bool {
			if match(&r) {
				last, ok = r, true
			}
			return true
		})
		if err != nil {
			return Rec{}, false, err
		}
		end = low
	}
	return last, ok, nil
}
