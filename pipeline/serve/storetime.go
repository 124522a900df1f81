package serve

import "context"

// storeTimeKey is under which the reads of one request share their time.
type storeTimeKey struct{}

// shareStoreTime lets all reads with the context share the time for stores.
func (h *Hub) shareStoreTime(ctx context.Context) (context.Context, context.CancelFunc) {
	gates := h.stores.Load()
	if gates == nil || len(*gates) == 0 {
		return ctx, func() {}
	}
	bounded, cancel := h.storeTime(ctx, *gates)
	return context.WithValue(ctx, storeTimeKey{}, bounded), cancel
}

// storeTime bounds the questions of a request.
func (*Hub) storeTime(ctx context.Context, gates []*gate) (context.Context, context.CancelFunc) {
	if shared, ok := ctx.Value(storeTimeKey{}).(context.Context); ok {
		return shared, func() {}
	}
	return context.WithTimeout(ctx, gates[0].cfg.Timeout)
}
