package wasmhost

// kind is what all slots of one instance on equal bars share.
type kind struct {
	key     kindKey
	inst    *Instance
	series  Series
	id      uint32 // of the indicator in its module
	size    uint32 // of the state
	room    uint32 // size, rounded
	outputs int    // with the degenerate flag
	values  int    // without
	source  Price
	refs    int
	fuel    int64 // units per bar at most, so far; of an upload
}

type kindKey struct {
	module *Module
	name   string
	series Series
}

// kind returns the shared part of slots, making it on first use.
func (s *Shard) kind(inst *Instance, series Series) (*kind, error) {
	key := kindKey{inst.Module, inst.Name, series}
	if k := s.kinds[key]; k != nil {
		return k, nil
	}
	g, err := s.guest(inst.Module)
	if err != nil {
		return nil, err
	}
	size, err := g.stateSize(inst, series)
	s.mend(g)
	if err != nil {
		return nil, err
	}
	k := &kind{
		key: key, inst: inst, series: series, id: inst.Indicator.ID,
		size: uint32(size), room: roundSlot(uint32(size)),
		outputs: len(inst.Indicator.Outputs), values: len(inst.Outputs), source: inst.Source,
	}
	s.kinds[key] = k
	return k, nil
}

func (s *Shard) unref(k *kind) {
	if k.refs--; k.refs <= 0 {
		delete(s.kinds, k.key)
	}
}
