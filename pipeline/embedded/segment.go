package embedded

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// maxTorn is the most that a kill in the middle of a write can leave: one
	// batch. What is more than that was readable before.
	maxTorn = 1<<20 + 1<<12
	// The head of a batch: offset (8), length (4), epoch (4), magic (1), CRC (4),
	// and under the checksum attributes (2), last offset delta (4).
	batchLengthAt, batchMagicAt, batchCRCAt, batchBodyAt, batchDeltaAt, batchHead = 8, 16, 17, 21, 23, 27
)

// segment is a file of a partition: batches, one behind the other.
type segment struct {
	base int64
	size int64
}

// inspect says what is wrong with a segment; without text nothing is. ended is
// its size at the last clean end, 0 = not known.
func (s segment) inspect(dir string, ended int64, mayTear bool) (damage, error) {
	path := filepath.Join(dir, strconv.FormatInt(s.base, 10)+".dat")
	raw, err := os.ReadFile(path)
	if err != nil {
		return damage{}, err
	}
	good := readable(raw, s.base)
	d := damage{segment: path, good: int64(good)}
	tail := raw[good:]
	switch {
	case int64(len(raw)) < ended:
		d.text = fmt.Sprintf("the last %d of %d bytes are missing", ended-int64(len(raw)), ended)
	case len(tail) > 0 && (!mayTear || !torn(tail)):
		d.text = fmt.Sprintf("%d of %d bytes are unreadable, from byte %d", len(tail), len(raw), good)
	}
	return d, nil
}

// readable is the length of the whole batches from the beginning of raw on. The
// checksum of a batch does not cover its offset, but within a segment no offset
// is left out.
func readable(raw []byte, base int64) int {
	good := 0
	for next := base; good < len(raw); {
		n := batchSize(raw[good:])
		if n == 0 || binary.BigEndian.Uint64(raw[good:]) != uint64(next) { // #nosec G115 -- an offset, never negative
			break
		}
		next += int64(binary.BigEndian.Uint32(raw[good+batchDeltaAt:])) + 1
		good += n
	}
	return good
}

// torn tells the end that a kill leaves from damage: behind it nothing was
// written.
func torn(tail []byte) bool {
	if len(tail) > maxTorn {
		return false
	}
	for i := 1; i < len(tail); i++ {
		if batchSize(tail[i:]) > 0 {
			return false
		}
	}
	return true
}

// batchSize is the length of the batch at the beginning of raw, 0 if there is
// none that is whole.
func batchSize(raw []byte) int {
	if len(raw) < batchHead || raw[batchMagicAt] != 2 {
		return 0
	}
	n := int64(binary.BigEndian.Uint32(raw[batchLengthAt:])) + batchLengthAt + 4
	if n < batchHead || n > int64(len(raw)) {
		return 0
	}
	sum := crc32.Checksum(raw[batchBodyAt:n], crc32.MakeTable(crc32.Castagnoli))
	if binary.BigEndian.Uint32(raw[batchCRCAt:]) != sum {
		return 0
	}
	return int(n)
}

func segmentsOf(dir string) ([]segment, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	var all []segment
	for _, f := range files {
		base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(f), ".dat"), 10, 64)
		if err != nil {
			continue // not ours, and kfake does not read it either
		}
		info, err := os.Stat(f)
		if err != nil {
			return nil, err
		}
		all = append(all, segment{base, info.Size()})
	}
	return all, nil
}

// endedWith are the sizes of the segments at the last clean end. A snapshot that
// is missing or unreadable makes kfake read everything, and tells nothing.
func endedWith(snapshot string) map[int64]int64 {
	raw, err := os.ReadFile(snapshot)
	if err != nil {
		return nil
	}
	var snap struct {
		Segments []struct {
			Base int64 `json:"base_offset"`
			Size int64 `json:"size"`
		} `json:"segments"`
	}
	if json.Unmarshal(raw, &snap) != nil {
		return nil
	}
	sizes := make(map[int64]int64, len(snap.Segments))
	for _, s := range snap.Segments {
		sizes[s.Base] = s.Size
	}
	return sizes
}

// partitionName is topic[partition] for a folder topic-partition.
func partitionName(dir string) string {
	name, err := url.PathUnescape(filepath.Base(dir))
	if err != nil {
		name = filepath.Base(dir)
	}
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	return name[:i] + "[" + name[i+1:] + "]"
}
