package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// A frame is the value of a checkpoint: "KLCP", u16 format, u16 flags, u32
// length of the payload, u32 CRC-32C over all before it and the payload, payload
// (the sections, compressed). Little-endian. A frame above maxPartBytes is cut
// into parts, the bytes of which are joined again before it is read.
const (
	frameMagic   = "KLCP"
	frameFormat  = 1
	frameZstd    = 1
	frameHeader  = 16
	maxPartBytes = 900 << 10
)

// MaxState is the largest body of a checkpoint, in bytes. A frame that says to hold
// more is hostile or broken, so none may be written: nobody could read it.
const MaxState = 1<<31 - 1

var (
	errDamaged   = errors.New("the checkpoint is damaged")
	errNewFormat = errors.New("the checkpoint was written by a newer version")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// codec holds the compressor's state, which is large.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	// The default window of this level keeps 8 MiB for each client.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(512<<10))
	if err != nil {
		return nil, fmt.Errorf("building the compressor of checkpoints: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxState))
	if err != nil {
		return nil, fmt.Errorf("building the decompressor of checkpoints: %w", err)
	}
	return &codec{enc: enc, dec: dec}, nil
}

func (z *codec) seal(body []byte) []byte {
	b := make([]byte, frameHeader, frameHeader+len(body)/2+64)
	copy(b, frameMagic)
	binary.LittleEndian.PutUint16(b[4:], frameFormat)
	binary.LittleEndian.PutUint16(b[6:], frameZstd)
	b = z.enc.EncodeAll(body, b)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-frameHeader))
	binary.LittleEndian.PutUint32(b[12:], frameSum(b))
	return b
}

func frameSum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[:12])
	return crc32.Update(sum, castagnoli, b[frameHeader:])
}

func (z *codec) open(b []byte) ([]byte, error) {
	if len(b) < frameHeader || string(b[:4]) != frameMagic {
		return nil, fmt.Errorf("%w: it does not begin with %s", errDamaged, frameMagic)
	}
	if f := binary.LittleEndian.Uint16(b[4:]); f != frameFormat {
		return nil, fmt.Errorf("%w: format %d, this one reads %d", errNewFormat, f, frameFormat)
	}
	if n := binary.LittleEndian.Uint32(b[8:]); uint64(n) != uint64(len(b)-frameHeader) {
		return nil, fmt.Errorf("%w: %d bytes announced, %d there", errDamaged, n, len(b)-frameHeader)
	}
	if binary.LittleEndian.Uint32(b[12:]) != frameSum(b) {
		return nil, fmt.Errorf("%w: checksum", errDamaged)
	}
	flags := binary.LittleEndian.Uint16(b[6:])
	if flags&^frameZstd != 0 {
		return nil, fmt.Errorf("%w: flags %#x", errNewFormat, flags)
	}
	if flags&frameZstd == 0 {
		return b[frameHeader:], nil
	}
	body, err := z.dec.DecodeAll(b[frameHeader:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return body, nil
}

// split cuts a frame into parts of at most maxPartBytes.
func split(frame []byte) [][]byte {
	var parts [][]byte
	for len(frame) > maxPartBytes {
		parts = append(parts, frame[:maxPartBytes:maxPartBytes])
		frame = frame[maxPartBytes:]
	}
	return append(parts, frame)
}
