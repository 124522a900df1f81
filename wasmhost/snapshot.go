package wasmhost

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	snapshotMagic  = "KLSS"
	snapshotFormat = 1
	snapshotHeader = 76
	snapshotCRC    = 72 // offset of the checksum
)

// Snapshot is the state of one slot with what is needed to know whether it
// may be continued.
type Snapshot struct {
	Indicator    uint16            // id in the module
	SHA256       [sha256.Size]byte // of the module as it was loaded
	StateVersion uint32
	ParamsHash   uint64
	OpenTime     int64  // ms, of the last closed bar in the state
	Bars         uint64 // closed bars since the seed
	State        []byte // 1 to 65536 bytes
}

// Snapshot describes state bytes of i on series that hold bars closed bars up
// to the one opened at openTime (ms).
func (i *Instance) Snapshot(series Series, openTime int64, bars uint64, state []byte) Snapshot {
	return Snapshot{
		Indicator:    uint16(i.Indicator.ID),
		SHA256:       i.Module.SHA256,
		StateVersion: i.Indicator.StateVersion,
		ParamsHash:   i.ParamsHash(series),
		OpenTime:     openTime,
		Bars:         bars,
		State:        state,
	}
}

// Accepts tells whether a slot of i on series with states of size bytes may
// continue from s: nil, or the reason why a backfill is needed. For a record
// of another build of the module the caller must know that the module has the
// same name; the name of the indicator is part of the hash.
func (i *Instance) Accepts(s *Snapshot, series Series, size int) error {
	switch {
	case s.ParamsHash != i.ParamsHash(series):
		return errors.New("the snapshot is of other parameters, bars or sources")
	case s.StateVersion != i.Indicator.StateVersion:
		return fmt.Errorf("the snapshot has state version %d, the module has %d", s.StateVersion, i.Indicator.StateVersion)
	case len(s.State) != size:
		return fmt.Errorf("the snapshot has %d bytes of state, the module needs %d", len(s.State), size)
	case s.SHA256 == i.Module.SHA256 && uint32(s.Indicator) != i.Indicator.ID:
		return fmt.Errorf("the snapshot is of indicator %d, this is %d", s.Indicator, i.Indicator.ID)
	}
	return nil
}

// EncodeSnapshot appends a record of 76 bytes and the state to dst. It fails
// if the state is empty or longer than 64 KiB.
func EncodeSnapshot(dst []byte, s *Snapshot) ([]byte, error) {
	if len(s.State) == 0 || len(s.State) > maxState {
		return dst, fmt.Errorf("encoding a snapshot: state of %d bytes, allowed are 1 to %d", len(s.State), maxState)
	}
	from := len(dst)
	dst = append(dst, snapshotMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, snapshotFormat)
	dst = binary.LittleEndian.AppendUint16(dst, s.Indicator)
	dst = append(dst, s.SHA256[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, s.StateVersion)
	dst = binary.LittleEndian.AppendUint64(dst, s.ParamsHash)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.OpenTime))
	dst = binary.LittleEndian.AppendUint64(dst, s.Bars)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.State)))
	sum := snapshotSum(dst[from:], s.State)
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return append(dst, s.State...), nil
}

// DecodeSnapshot reads one record from the front of b and returns what follows
// it. The state is a part of b, not a copy. Nothing of a record that is cut
// off, damaged or of another format is returned.
func DecodeSnapshot(b []byte) (s Snapshot, rest []byte, err error) {
	fail := func(format string, args ...any) (Snapshot, []byte, error) {
		return Snapshot{}, b, fmt.Errorf("decoding a snapshot: "+format, args...)
	}
	if len(b) < snapshotHeader {
		return fail("%d bytes are left, a record begins with %d", len(b), snapshotHeader)
	}
	if string(b[:4]) != snapshotMagic {
		return fail("it does not begin with %s", snapshotMagic)
	}
	if f := binary.LittleEndian.Uint16(b[4:]); f != snapshotFormat {
		return fail("format %d, this program reads %d", f, snapshotFormat)
	}
	n := binary.LittleEndian.Uint32(b[68:])
	if n == 0 || n > maxState {
		return fail("state of %d bytes, allowed are 1 to %d", n, maxState)
	}
	if uint64(n) > uint64(len(b)-snapshotHeader) {
		return fail("state of %d bytes, %d are left", n, len(b)-snapshotHeader)
	}
	end := snapshotHeader + int(n)
	state := b[snapshotHeader:end:end]
	if sum := snapshotSum(b[:snapshotCRC], state); sum != binary.LittleEndian.Uint32(b[snapshotCRC:]) {
		return fail("the checksum does not match")
	}
	s = Snapshot{
		Indicator:    binary.LittleEndian.Uint16(b[6:]),
		StateVersion: binary.LittleEndian.Uint32(b[40:]),
		ParamsHash:   binary.LittleEndian.Uint64(b[44:]),
		OpenTime:     int64(binary.LittleEndian.Uint64(b[52:])),
		Bars:         binary.LittleEndian.Uint64(b[60:]),
		State:        state,
	}
	copy(s.SHA256[:], b[8:40])
	return s, b[end:], nil
}

// snapshotSum is the CRC-32C of the header before the checksum and the state.
func snapshotSum(head, state []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // cached by the package
	return crc32.Update(crc32.Update(0, table, head[:snapshotCRC]), table, state)
}
