package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	// ErrNoCheckpoint means: the partition is new. Start with an empty state at the
	// log start, and with the journal from its log start.
	ErrNoCheckpoint = errors.New("no checkpoint: the partition is new")
	// ErrStateLost means: the group has an offset, or the state topic has records,
	// but no usable checkpoint. The partition must not start from anywhere by
	// itself; an operator chooses between rebuild and a fresh epoch.
	ErrStateLost = errors.New("state lost: the partition was consumed before, but the state topic holds no usable checkpoint")
	// ErrJournalLost means: the journal no longer fits the checkpoint. The way out is
	// the decision epoch.
	ErrJournalLost = errors.New("journal lost")
	// ErrInputLost means: the input no longer holds the offset of the checkpoint, or
	// ends before it.
	ErrInputLost = errors.New("input lost")
	// ErrCountChanged means: partitions were added to the input and to the topics of ours
	// since the state was written. Keys have other partitions with that.
	ErrCountChanged = errors.New("partitions were added, and symbols move to others with that: begin anew with another group and output_prefix")
	// ErrShared means: another group writes the same topics. Each publishes every kline,
	// and decides what the clock closes. It is tried again: the other one may be about to
	// be stopped, as when a group is given another name.
	ErrShared = errors.New("another group works on the same topics: give each its own output_prefix, or stop the other one")
	// ErrOutOfRange means: a follower's next offset is no longer in the log. If
	// retention has removed it, the next Follow from there begins at the log start;
	// if the log was cut, that ends with ErrInputLost.
	ErrOutOfRange = errors.New("the next offset is no longer in the log (retention, DeleteRecords, or a log that was cut)")
	// ErrEnded means: the incarnation has ended. Nothing more may be written with this
	// client; build a new one and restore.
	ErrEnded = errors.New("this incarnation of the kafka client has ended")
	// ErrFencedInstance means: another process has joined the group with our node id.
	ErrFencedInstance = errors.New("another process runs with the same node id: give each its own (word node)")
	// ErrFencedProducer means: the coordinator has given our transactional id to another
	// producer, or has ended a transaction of ours that took too long.
	ErrFencedProducer = errors.New("another process writes under the same transactional id, which is group and node (give each node its own word node), or this one stood still for too long")
	// ErrAccess means: the brokers do not take the user. It is tried again: a
	// password that is being changed is changed in one place first.
	ErrAccess = errors.New("the brokers refuse the user, the password or the mechanism (word sasl)")
)

// IsTransient reports whether err comes from the broker or from the way to it,
// not from what stands in a log, or says that another group is in our place: the
// incarnation ends and the next one tries again, while any other error of a restore
// makes its partition failed. A broker that refuses may be told not to, and one that
// failed unexpectedly may not do so again, and the other group may be stopped; no
// operator should have to wake a partition for any of them.
func IsTransient(err error) bool {
	if err == nil {
		return false
	}
	var ne net.Error
	var answer *kerr.Error
	// A connection that ends before its first answer may mean that the other
	// side speaks TLS, which is how the client library sees it, but so ends
	// every one to a broker that is just dying, or behind a proxy.
	var unanswered *kgo.ErrFirstReadEOF
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrEnded) || errors.Is(err, ErrShared) || errors.Is(err, kgo.ErrClientClosed) ||
		errors.As(err, &ne) || errors.As(err, &answer) || errors.As(err, &unanswered) || kgo.IsRetryableBrokerErr(err)
}

// isRefusal reports whether a broker has answered that it will not do it.
func isRefusal(err error) bool {
	var answer *kerr.Error
	return errors.As(err, &answer) && !answer.Retriable
}

// explainAccess says of a refused login which word is meant: a client library's
// name for it stands in the middle of what was being done at the time.
func explainAccess(err error) error {
	if errors.Is(err, ErrAccess) {
		return err
	}
	if errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) {
		return fmt.Errorf("%w: %w", ErrAccess, err)
	}
	return err
}

// explain is explainAccess, and says who may have put this producer out.
func explain(err error) error {
	fenced := errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidTxnState)
	if fenced && !errors.Is(err, ErrFencedInstance) {
		return fmt.Errorf("%w: %w", ErrFencedProducer, err)
	}
	return explainAccess(err)
}

// explainWrite says of a write that a broker refuses, and will the next time, what it
// takes: the node writes the same records until somebody has done it.
func explainWrite(topic string, p int32, err error) error {
	err = fmt.Errorf("writing to %s[%d]: %w", topic, p, err)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%w (if it was deleted: a restart of the node creates it again, empty)", err)
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w (its max.message.bytes has to be 1048588 or more)", err)
	case errors.Is(err, kerr.InvalidTimestamp):
		return fmt.Errorf("%w (its %s and %s have to be %s)", err, aheadLimit, behindLimit, noLimit)
	}
	return err
}

// explainFailed says of a partition that has failed for good what is left to do. The
// embedded broker has words of its own for that, and neither group nor prefix.
func (c *Client) explainFailed(err error) error {
	lost := errors.Is(err, ErrStateLost) || errors.Is(err, ErrJournalLost) || errors.Is(err, ErrInputLost)
	if !lost || c.cfg.Direct {
		return err
	}
	return fmt.Errorf("%w; put back what is missing, or begin anew with another group and output_prefix", err)
}

// isDataLoss reports fetch errors after which the partition must not go on.
func isDataLoss(err error) bool {
	var dl *kgo.ErrDataLoss
	return errors.As(err, &dl) ||
		errors.Is(err, kerr.OffsetOutOfRange) ||
		errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID) ||
		errors.Is(err, kerr.UnknownTopicOrPartition)
}

// explainLoss says what the operator finds.
func explainLoss(topic string, p int32, err error) error {
	var dl *kgo.ErrDataLoss
	switch {
	case errors.As(err, &dl):
		return fmt.Errorf("reading %s[%d]: the log was truncated: consumed to %d, it now ends at %d: %w",
			topic, p, dl.ConsumedTo, dl.ResetTo, ErrInputLost)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return fmt.Errorf("reading %s[%d]: the next offset is no longer in the log (retention, or DeleteRecords): %w", topic, p, ErrInputLost)
	default:
		return fmt.Errorf("reading %s[%d]: the topic was deleted or created again (%v): %w", topic, p, err, ErrInputLost) //nolint:errorlint // only ErrInputLost decides what happens next
	}
}
