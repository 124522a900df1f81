package serve

import "maps"

// shadow is what computes instances of a module beside the versions that are shown.
type shadow struct {
	resolve func(name string) (Program, error) // of a canonical name
}

// Shadow computes other programs of a module beside those that are shown, to be
// compared; resolve gives that of a canonical name. They never take over. It may take
// as long as the guests that resolve asks; Unshadow may end it meanwhile.
func (h *Hub) Shadow(module string, resolve func(name string) (Program, error)) {
	s := &shadow{resolve}
	shadows, list := h.dyn.cast(module, s)
	for _, x := range list {
		if !h.dyn.setShadow(x, shadowOf(shadows, x.name), module, s) {
			break
		}
	}
	h.wakes.tend()
}

// Unshadow ends what Shadow began. It asks no guest: an instance of two modules that
// are both computed beside others is not compared any more.
func (h *Hub) Unshadow(module string) {
	_, list := h.dyn.cast(module, nil)
	for _, x := range list {
		h.dyn.setShadow(x, nil, module, nil)
	}
	h.wakes.tend()
}

// cast notes the shadow of a module, nil for none, and returns those of all modules
// with the instances that it concerns.
func (d *dynamics) cast(module string, s *shadow) (map[string]*shadow, []*dynamic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	shadows := maps.Clone(d.shadows) // readers go over the old one
	if shadows == nil {
		shadows = map[string]*shadow{}
	}
	shadows[module] = s
	if s == nil {
		delete(shadows, module)
	}
	d.shadows = shadows
	return shadows, d.ofModule(module)
}

// setShadow gives an instance a version to be computed beside it, and reports whether
// the module still has that shadow: another call may have ended it.
func (d *dynamics) setShadow(x *dynamic, v *version, module string, s *shadow) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shadows[module] != s {
		return false
	}
	x.shadow.Store(v)
	return true
}

// shadowOf is the version that computes beside an instance, nil for none. It may
// ask a guest: no lock of the hub is held.
func shadowOf(shadows map[string]*shadow, name string) *version {
	for module, s := range shadows {
		if !mentions(name, module) {
			continue
		}
		p, err := s.resolve(name)
		if err != nil {
			p = &refused{&InstanceMeta{Name: name}, err}
		}
		return &version{program: p, from: shadowFrom}
	}
	return nil
}
