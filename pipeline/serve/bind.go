package serve

// Bind names the log that the hub follows and its number of partitions, when
// they become known: with brokers that are away, that is long after the hub was
// made. It has to come before the first Apply and before Loaded; until then the
// hub is not ready and no position of it has been handed out as an event id.
func (h *Hub) Bind(logID string, partitions int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cfg.LogID, h.cfg.Partitions = logName(logID), max(partitions, 1)
	h.empty()
}
