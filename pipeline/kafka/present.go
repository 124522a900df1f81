package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Present returns an error that names the topics of Ensure that are not there any more,
// nil if all are. It creates none: one that somebody deleted held what views, streams and
// other systems stand at, so beginning it anew is left to a restart.
func Present(ctx context.Context, cluster Cluster, topics Topics) error {
	cl, err := cluster.withDefaults().dialClient()
	if err != nil {
		return err
	}
	defer cl.Close()
	e := &ensurer{adm: kadm.NewClient(cl), topics: topics}
	meta, err := e.metadata(ctx)
	if err != nil {
		return explainAccess(err)
	}
	var gone []string
	for _, name := range e.names() {
		if errors.Is(meta.Topics[name].Err, kerr.UnknownTopicOrPartition) {
			gone = append(gone, cut(name))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return fmt.Errorf("looking for the topics: deleted while the node ran: %s; a restart of the node creates what is missing again, empty", strings.Join(gone, ", "))
}
