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

// LastRecords returns the newest record of each name that match gives to a
// record of topic[p]; names that match does not want are answered with "". It
// reads backwards as LastRecord does, until it has all of want, over at most
// limit offsets: one pass for all symbols of a partition.
func LastRecords(ctx context.Context, cluster Cluster, topic string, p int32, want int, limit int64, match func(*Rec) string) (map[string]Rec, error) {
	start, end, err := Bounds(ctx, cluster, topic, p)
	if err != nil {
		return nil, err
	}
	start = max(start, end-limit)
	found := make(map[string]Rec, want)
	for step := int64(1024); end > start && len(found) < want; step = min(step*4, 65_536) {
		low := max(start, end-step)
		newer := make(map[string]Rec)
		err := ReadRange(ctx, cluster, topic, p, low, end, func(r Rec) bool {
			if name := match(&r); name != "" {
				newer[name] = r
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		for name, r := range newer {
			if _, have := found[name]; !have {
				found[name] = r
			}
		}
		end = low
	}
	return found, nil
}
