package wire

import (
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// MaxRecordBytes is the size of the largest record that is looked into.
const MaxRecordBytes = 64 << 10

// MaxTrades is the largest number of trades in one record. Arrival order is
// offset x 4096 + index, so a larger index would run into the next record.
const MaxTrades = 4096

// RejectError says why a whole record could not be used. The record belongs
// into the dead letters; the partition goes on.
type RejectError struct {
	// Reason is one of the closed set of reasons.
	Reason core.Reason
	// Field is the JSON path that was wrong, empty where no single one was.
	Field string
}

// Error names the reason and the field, never the record's content.
func (e *RejectError) Error() string {
	if e.Field == "" {
		return "decoding record: rejected: " + e.Reason.String()
	}
	return "decoding record: rejected: " + e.Reason.String() + " (field " + e.Field + ")"
}

func reject(r core.Reason, field string) error { return &RejectError{Reason: r, Field: field} }

var _ error = (*RejectError)(nil)
