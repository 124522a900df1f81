package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alter brings the configs of existing topics to what is configured, so that
// another retention acts at the next start. kfake takes configs of a topic that
// exists only as a request; it comes through the gate before anybody else.
func (b *Broker) alter() error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.SetVersion(1)
	for _, t := range b.cfg.Topics {
		if rr := changes(t, b.cluster.TopicInfo(t.Name)); len(rr.Configs) > 0 {
			req.Resources = append(req.Resources, rr)
		}
	}
	if len(req.Resources) == 0 {
		return nil
	}
	resp, err := b.gate.ask(req)
	if err != nil {
		return fmt.Errorf("altering the configs of topics: %w", err)
	}
	for _, r := range resp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("altering the configs of topic %q: %w", r.ResourceName, err)
		}
	}
	return nil
}

func changes(t Topic, now *kfake.TopicInfo) kmsg.IncrementalAlterConfigsRequestResource {
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kmsg.ConfigResourceTypeTopic, t.Name
	for key, value := range t.Configs {
		if old := now.Configs[key]; old == nil || *old != value {
			rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			rc.Name, rc.Value = key, kmsg.StringPtr(value)
			rr.Configs = append(rr.Configs, rc)
		}
	}
	slices.SortFunc(rr.Configs, func(a, b kmsg.IncrementalAlterConfigsRequestResourceConfig) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return rr
}

// ask sends one flexible request over a connection inside the process.
func (g *gate) ask(req kmsg.Request) (kmsg.Response, error) {
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }() // a pipe has nothing to lose
	select {
	case g.inner <- theirs:
	case <-g.closed:
		return nil, net.ErrClosed
	}
	late := time.AfterFunc(10*time.Second, func() { _ = ours.Close() }) // ends the reads and writes below
	defer late.Stop()
	if _, err := ours.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(ours, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(ours, body); err != nil {
		return nil, err
	}
	// Correlation id (4 bytes) and an empty list of tags (1 byte).
	if len(body) < 5 {
		return nil, io.ErrUnexpectedEOF
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body[5:])
}
