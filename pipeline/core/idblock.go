package core

import "math"

// blockIDs is the number of ids a block covers.
const blockIDs = 4096

// checkIDs is the number of newest ids of a symbol whose price and size are
// remembered, for the reason conflict. 256 covers what re-polls and reconnects
// repeat; a check for every id would multiply the snapshot by nine.
const checkIDs = 256

// sight is what the duplicate test knows about an id.
type sight uint8

const (
	sightFresh     sight = iota // never seen
	sightDuplicate              // seen, same price and size as far as remembered
	sightConflict               // seen with another price or size
	sightForgotten              // below what is remembered
)

// idBlocks is the duplicate test for integer ids that ascend more or less: a
// bit for each id, in blocks that are forgotten lowest first.
type idBlocks struct {
	blocks []*idBlock // ascending
	last   int        // index of the block used last
	total  int        // ids in blocks
	floor  int64      // blocks numbered below are forgotten
	// lost is the newest event time, ms, among forgotten blocks.
	lost int64
	// gone is the same among blocks that were forgotten between others, where ids do
	// not ascend as one sequence; never without one. An unknown id that is not younger
	// may have been in one of them.
	gone   int64
	high   int64 // highest id
	checks []uint16
	// sparse: the ids jump so far that bits are a waste; they are in the
	// fingerprint table instead.
	sparse bool
}

type idBlock struct {
	no     int64 // id / blockIDs, rounded down
	newest int64 // event time, ms
	count  int
	bits   [blockIDs / 64]uint64
}

func newIDBlocks() idBlocks {
	return idBlocks{floor: math.MinInt64, lost: never, gone: never, high: math.MinInt64}
}

// find returns the index of block no, or where it belongs.
func (b *idBlocks) find(no int64) (int, bool) {
	if b.last < len(b.blocks) && b.blocks[b.last].no == no {
		return b.last, true
	}
	i := len(b.blocks)
	for i > 0 && b.blocks[i-1].no >= no {
		i--
	}
	if i < len(b.blocks) && b.blocks[i].no == no {
		b.last = i
		return i, true
	}
	return i, false
}

// look tells what is known about the id of a trade at ms.
func (b *idBlocks) look(id, ms int64, check uint16) sight {
	no := id >> 12
	i, ok := b.find(no)
	if !ok {
		if no < b.floor || ms <= b.gone {
			return sightForgotten
		}
		return sightFresh
	}
	if b.blocks[i].bits[id&(blockIDs-1)>>6]&(1<<(id&63)) == 0 {
		return sightFresh
	}
	if uint64(b.high)-uint64(id) < checkIDs && b.checks[id&(checkIDs-1)] != check {
		return sightConflict
	}
	return sightDuplicate
}

// note remembers id. The block must exist.
func (b *idBlocks) note(i int, id, ms int64, check uint16) {
	blk := b.blocks[i]
	blk.bits[id&(blockIDs-1)>>6] |= 1 << (id & 63)
	blk.newest = max(blk.newest, ms)
	blk.count++
	b.total++
	b.high = max(b.high, id)
	if uint64(b.high)-uint64(id) < checkIDs {
		if b.checks == nil {
			b.checks = make([]uint16, checkIDs)
		}
		b.checks[id&(checkIDs-1)] = check
	}
}

// evict forgets the lowest blocks that are old enough: beyond the window, or
// beyond the lateness when limit ids remain without them. It returns one of
// them for reuse.
func (b *idBlocks) evict(window, lateness int64, limit int) *idBlock {
	var free *idBlock
	for len(b.blocks) > 1 {
		low := b.blocks[0]
		if low.newest >= window && (b.total-low.count < limit || low.newest >= lateness) {
			break
		}
		// A block that came in below forgotten ones does not bring those back.
		b.floor, b.lost = max(b.floor, low.no+1), max(b.lost, low.newest)
		b.total -= low.count
		n := copy(b.blocks, b.blocks[1:])
		b.blocks[n] = nil
		b.blocks = b.blocks[:n]
		free = low
	}
	b.thin(window)
	b.last = 0
	return free
}

// maxSequence is up to how many blocks nothing is forgotten but the lowest.
const maxSequence = 32

// thin forgets blocks beyond the window between others: of two sequences of ids under
// one symbol, the lower one would keep all blocks of the higher for ever.
func (b *idBlocks) thin(window int64) {
	if len(b.blocks) < maxSequence {
		return
	}
	kept := b.blocks[:0]
	for i, blk := range b.blocks {
		if blk.newest < window && (len(kept) > 0 || i+1 < len(b.blocks)) {
			b.gone, b.lost = max(b.gone, blk.newest), max(b.lost, blk.newest)
			b.total -= blk.count
			continue
		}
		kept = append(kept, blk)
	}
	clear(b.blocks[len(kept):])
	b.blocks = kept
}

// wasteful reports whether the ids are too far apart for bits: less than 64 in
// a block, where a fingerprint would be smaller.
func (b *idBlocks) wasteful() bool {
	return len(b.blocks) >= 8 && b.total < 64*len(b.blocks)
}

// insert adds an empty block in order and returns its index.
func (b *idBlocks) insert(no int64, blk *idBlock) int {
	if blk == nil {
		blk = new(idBlock)
	}
	*blk = idBlock{no: no, newest: never}
	i, _ := b.find(no)
	b.blocks = append(b.blocks, nil)
	copy(b.blocks[i+1:], b.blocks[i:])
	b.blocks[i] = blk
	b.last = i
	return i
}
