package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// ErrNoTransactions means: the brokers refuse what `delivery transactional`
// needs. The engine never changes the mode by itself.
var ErrNoTransactions = errors.New("the brokers refuse transactions: `delivery transactional` needs Apache Kafka 2.5 or newer and the right to write under its transactional id; " +
	"`delivery idempotent` works without, on exactly one node")

// TransactionResult is how a transaction ended.
type TransactionResult string

// The results. After any but the first the incarnation ends.
const (
	// Committed: visible, all of it.
	Committed TransactionResult = "committed"
	// Refused: the group has another owner for a partition, or the coordinator
	// another producer of our name. Nothing of it is visible.
	Refused TransactionResult = "refused"
	// Unknown: the answer did not come. The next restore finds out.
	Unknown TransactionResult = "unknown"
)

// resultOf tells how a transaction ended that was answered with err.
func resultOf(err error) TransactionResult {
	switch {
	case err == nil:
		return Committed
	case errors.Is(err, ErrNotHeld), errors.Is(err, ErrShared), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID),
		errors.Is(err, kerr.FencedInstanceID), errors.Is(err, kerr.InvalidProducerEpoch), errors.Is(err, kerr.ProducerFenced):
		return Refused
	default:
		return Unknown
	}
}

// initTimeout bounds the wait for the transaction coordinator.
const initTimeout = 30 * time.Second

// fencedCommit is the version of TxnOffsetCommit that carries the generation of
// the group (KIP-447).
const fencedCommit = 3

// lastExplicit is the version of TxnOffsetCommit up to which the group has to be
// added to the transaction by a request of its own. Newer ones do it themselves,
// but only on a cluster with transaction.version 2.
const lastExplicit = 4

// newTransactional builds the producer whose transactions are named after group
// and node: a restart ends what its predecessor left open at once, instead of
// having every reader wait for its timeout.
func (c *Client) newTransactional() (*kgo.Client, error) {
	opts := append(producerOptions(),
		kgo.TransactionalID(c.TransactionalID()), kgo.TransactionTimeout(c.transactionTimeout()))
	if !c.cfg.Layout.ImplicitOffsets {
		v := kversion.Stable()
		v.SetMaxKeyVersion(kmsg.TxnOffsetCommit.Int16(), lastExplicit)
		opts = append(opts, kgo.MaxVersions(v))
	}
	return c.cfg.Cluster.dialClient(opts...)
}

// transactionTimeout is after how long the broker ends a transaction that nobody
// ends: below the session timeout, so that a dead node's transaction is over
// before its partitions move.
func (c *Client) transactionTimeout() time.Duration {
	return min(10*time.Second, c.cfg.SessionTimeout*2/3)
}

// TransactionalID is the name of this node's transactions.
func (c *Client) TransactionalID() string { return c.cfg.Group + "-" + c.cfg.Node }

// fencePredecessor asks for a producer id: whoever had our transactional id
// before is refused from then on, and its open transaction is over. It comes
// before the restore, which reads what that transaction left.
func (c *Client) fencePredecessor(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	_, _, err := c.out.ProducerID(ctx)
	if err == nil {
		return nil
	}
	if access := explainAccess(err); errors.Is(access, ErrAccess) {
		return fmt.Errorf("starting transactions as %q: %w", cut(c.TransactionalID()), access)
	}
	if IsTransient(err) && !isRefusal(err) {
		return fmt.Errorf("waiting for the coordinator of transactions %q: %w", cut(c.TransactionalID()), err)
	}
	return fmt.Errorf("starting transactions as %q: %w (%w)", cut(c.TransactionalID()), ErrNoTransactions, err)
}

// transactions finds out what the brokers can do.
func (e *ensurer) transactions(ctx context.Context, l *Layout) error {
	all, err := e.adm.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("asking the brokers what they can do: %w", err)
	}
	answered := 0
	l.ImplicitOffsets = true
	for _, v := range all.Sorted() {
		if v.Err != nil {
			// Away, as brokers are now and then: a node must be able to start on
			// those that are left.
			err = v.Err
			continue
		}
		answered++
		newest, ok := v.KeyMaxVersion(kmsg.TxnOffsetCommit.Int16())
		if !ok || newest < fencedCommit {
			return fmt.Errorf("broker %d is too old: %w", v.NodeID, ErrNoTransactions)
		}
		l.ImplicitOffsets = l.ImplicitOffsets && newest > lastExplicit && transactionVersion(v.Raw()) >= 2
	}
	if answered == 0 {
		return fmt.Errorf("asking the brokers what they can do: none of %d answered: %w", len(all), err)
	}
	if !l.ImplicitOffsets {
		l.Warnings = append(l.Warnings, "the cluster has not transaction.version 2 (KIP-890, Kafka 4.0): a late request of a dead node may hang a transaction until its timeout; upgrade the brokers or raise the feature")
	}
	return nil
}

// transactionVersion is the finalized feature, 0 if the cluster has none.
func transactionVersion(r *kmsg.ApiVersionsResponse) int16 {
	for _, f := range r.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel
		}
	}
	return 0
}

// commitRetry is how long a commit waits for a rebalance to pass, and how often
// it looks.
const (
	commitRetryFor  = 5 * time.Second
	commitRetryWait = 20 * time.Millisecond
)

// commitInTransaction adds the positions of parts to the open transaction, in
// the name of this member of the group: a coordinator that knows another owner
// refuses them, and with them everything else.
func (c *Client) commitInTransaction(ctx context.Context, parts map[int32]*part) error {
	if !c.cfg.Layout.ImplicitOffsets {
		if err := c.addGroup(ctx); err != nil {
			return err
		}
	}
	deadline := c.now().Add(commitRetryFor)
	for {
		err := c.tryCommitOffsets(ctx, parts)
		if err == nil || !isRebalancing(err) || c.now().After(deadline) {
			return err
		}
		// Another member joins or leaves. We keep our partitions over it, with
		// the next generation; one that we lost meanwhile ends the incarnation.
		if err := c.sleep(ctx, commitRetryWait); err != nil {
			return err
		}
	}
}

func isRebalancing(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.ConcurrentTransactions)
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	t := c.cfg.Cluster.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Client) addGroup(ctx context.Context) error {
	id, epoch, err := c.out.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("adding the group to the transaction: %w", err)
	}
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = c.TransactionalID(), id, epoch, c.cfg.Group
	resp, err := req.RequestWith(ctx, c.out)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("adding the group to the transaction: %w", err)
	}
	return nil
}

// tryCommitOffsets sends the offsets once, with the generation of this moment.
func (c *Client) tryCommitOffsets(ctx context.Context, parts map[int32]*part) error {
	id, epoch, err := c.out.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("committing offsets: %w", err)
	}
	// The generation first: a loss and a new membership between the two would
	// commit in the name of the new member what belongs to another.
	member, generation := c.cl.GroupMetadata()
	for p, pt := range parts {
		if c.partition(p) != pt.holder {
			return fmt.Errorf("partition %d: %w", p, ErrNotHeld)
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = c.TransactionalID(), id, epoch, c.cfg.Group
	req.MemberID, req.Generation = member, generation
	req.InstanceID = kmsg.StringPtr(c.cfg.Node)
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{c.offsetsOf(parts)}
	resp, err := req.RequestWith(ctx, c.out)
	if err != nil {
		return fmt.Errorf("committing offsets: %w", err)
	}
	for _, t := range resp.Topics {
		for _, rp := range t.Partitions {
			if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
				return fmt.Errorf("committing the offset of partition %d: %w", rp.Partition, err)
			}
		}
	}
	return nil
}

func (c *Client) offsetsOf(parts map[int32]*part) kmsg.TxnOffsetCommitRequestTopic {
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic, t.TopicID = c.cfg.Topics.Input, c.cfg.Layout.InputTopicID
	for p, pt := range parts {
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, pt.to, -1, kmsg.StringPtr(pt.meta.encode())
		t.Partitions = append(t.Partitions, rp)
	}
	return t
}
