package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A rival is another group that writes the same topics, by a mistake in an
// output_prefix. Brokers take the units of both, and every kline stands there twice. The
// state topic tells: who restores asks whether the group that wrote last is still at work,
// and who writes looks at what came between its own records.

// rivalReach is how many offsets at the end of a log hold a record, whatever markers
// stand there too.
const rivalReach = 64

// alone refuses a state that was written last by another group that is still at work. A
// group without members, as that of a deployment that was given another name, is none.
func (c *Client) alone(ctx context.Context, group string) error {
	if !c.isRival(group) {
		return nil
	}
	if first, err := c.first(ctx); err != nil || first == c.cfg.Group {
		return err
	}
	last := fmt.Sprintf("%s was written last by group %q", c.cfg.Topics.Name(State), cut(group))
	groups, err := c.adm.DescribeGroups(ctx, group)
	if err == nil {
		err = groups[group].Err
	}
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("%s, and whether that one is at work may not be asked (give the user the right Describe on it): %w", last, err)
	case errors.Is(err, kerr.GroupIDNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("%s: asking for its members: %w", last, err)
	}
	for _, m := range groups[group].Members {
		if c.mayRead(&m) {
			return fmt.Errorf("%s, which has members (one that ended without a word is one for its session_timeout): %w", last, ErrShared)
		}
	}
	return nil
}

// first is the group that wrote last in the first partition in which one did. It goes on
// everywhere: of two that began together each may have won a partition, and both would
// wait for the other one.
func (c *Client) first(ctx context.Context) (group string, err error) {
	for p := int32(0); p < c.cfg.Layout.N && group == ""; p++ {
		start, end, err := bounds(ctx, c.adm, c.cfg.Topics.Name(State), p)
		if err != nil {
			return "", err
		}
		links, err := c.readLinks(ctx, p, max(start, end-rivalReach), end)
		if err != nil {
			return "", err
		}
		if n := len(links); n > 0 {
			group = links[n-1].group
		}
	}
	return group, nil
}

func (c *Client) isRival(group string) bool {
	return group != "" && group != c.cfg.Group && !c.cfg.Direct
}

// mayRead tells whether a member reads our input. One without partitions may be given
// some.
func (c *Client) mayRead(m *kadm.DescribedGroupMember) bool {
	assigned, ok := m.Assigned.AsConsumer()
	if !ok || len(assigned.Topics) == 0 {
		return true
	}
	for _, t := range assigned.Topics {
		if t.Topic == c.cfg.Topics.Input {
			return true
		}
	}
	return false
}
