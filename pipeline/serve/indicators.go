package serve

import "maps"

// indicatorDocs are the ready answers about indicators.
type indicatorDocs struct {
	list      []byte
	manifests map[string][]byte
}

// SetIndicators hands over the list of /v1/indicators and the manifest per
// name, as JSON. The hub keeps the bytes.
func (h *Hub) SetIndicators(list []byte, manifests map[string][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.docs = indicatorDocs{list: list, manifests: maps.Clone(manifests)}
}

// Indicators answers the list; "[]" before SetIndicators.
func (h *Hub) Indicators(ifNoneMatch string) Answer {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := h.docs.list
	if list == nil {
		list = []byte("[]")
	}
	return document(list, ifNoneMatch)
}

// Indicator answers the manifest of one indicator.
func (h *Hub) Indicator(name, ifNoneMatch string) (Answer, *Problem) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	m, ok := h.docs.manifests[name]
	if !ok {
		p := h.unknownIndicator("name", name)
		p.Allowed = nil
		p.Detail = "there is no indicator " + quote(name) + "; /v1/indicators lists them"
		return Answer{}, p
	}
	return document(m, ifNoneMatch), nil
}

func document(json []byte, ifNoneMatch string) Answer {
	a := Answer{Body: json, ContentType: jsonType, ETag: tag(false, json)}
	if matches(ifNoneMatch, a.ETag) {
		a.Body, a.NotModified = nil, true
	}
	return a
}
