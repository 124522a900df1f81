package vet

// regions is V16: kl_alloc gives aligned, disjoint regions, stands a size of
// zero, and has memory for as long as a host may ask.
func (v *vetter) regions(*subject) error {
	g, err := start(v.probe)
	if err != nil {
		return err
	}
	r := &rig{v: v, g: g}
	defer r.close()
	if _, err := r.call("kl_alloc", 0); err != nil { // any answer will do
		return err
	}
	for _, n := range []uint32{1, 15, 16, 17, 31, 32, 64, 1000, 4096} {
		if _, err := r.alloc(n); err != nil {
			return err
		}
	}
	// Guests of some languages trap when memory is out, so no host asks for
	// the last MiB.
	for n := 0; uint64(len(g.Memory()))+2*region <= g.Limit() && n < 64; n++ {
		if _, err := r.alloc(region); err != nil {
			return err
		}
	}
	return nil
}
