package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxUnpacked bounds what one batch of a log may unpack to. Brokers bound what they
// take by its packed size alone: a megabyte can become a gigabyte.
const maxUnpacked = 64 << 20

// oversized returns the batch that err is about, nil if it is about none.
func oversized(err error) *kgo.ErrDecompressTooLarge {
	if big, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
		return big
	}
	return nil
}

// pass makes a client go on behind such a batch: by itself it never fetches the
// partition again.
func pass(cl *kgo.Client, big *kgo.ErrDecompressTooLarge) {
	cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{
		big.Topic: {big.Partition: {Epoch: big.Epoch, Offset: big.NextOffset}},
	})
}

// standIn is the record that stands for such a batch, nil if the reader was inside
// of it already: the one before has it.
func standIn(big *kgo.ErrDecompressTooLarge, next int64) []Rec {
	if next > big.Offset {
		return nil
	}
	return []Rec{{Offset: big.Offset, Oversized: true}}
}
