package wasmhost

const (
	// maxBatch is the largest number of jobs in one guest call, maxChunk the
	// largest number of bars of one series. Guest code cannot be preempted: the
	// longest call is the longest pause of the garbage collector.
	maxBatch = 1024
	maxChunk = 4096

	maxOutputs = 16
	maxParams  = 32
	rowSize    = maxOutputs * 8
)

// ioSlab is the layout of the slab through which a guest gets its bars and
// returns its outputs. Batches and backfills use the rows area differently,
// but never at the same time.
type ioSlab struct {
	cfg    uint32 // one KlCfg
	params uint32 // maxParams f64
	jobs   uint32 // maxBatch KlJob

	bars    uint32 // batch: maxBatch KlBar; backfill: maxChunk KlBar
	outs    uint32 // batch: maxBatch rows
	scratch uint32 // batch: copies of slots for previews, up to end

	rows uint32 // backfill: maxChunk rows
	end  uint32
}

func newIOSlab(base uint32) ioSlab {
	l := ioSlab{cfg: base, params: base + cfgSize, end: base + slabSize}
	l.jobs = l.params + maxParams*8
	l.bars = l.jobs + maxBatch*jobSize
	l.outs = l.bars + maxBatch*barSize
	l.scratch = l.outs + maxBatch*rowSize
	l.rows = l.bars + maxChunk*barSize
	return l
}
