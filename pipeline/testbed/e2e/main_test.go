package e2e

import (
	"log"
	"os"
	"sync"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// common is what tests share that leave it alone.
var common struct {
	host  *server.Host
	once  sync.Once // starts the rest
	kafka *server.Kafka
	err   error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kline-e2e-")
	if err != nil {
		log.Fatal(err)
	}
	common.host = server.NewHost(dir, log.Printf)
	code := m.Run()
	common.host.End()
	if err := os.RemoveAll(dir); err != nil {
		log.Printf("removing the folder of the servers: %v", err)
	}
	os.Exit(code)
}

// commonKafka is one broker for all tests of the process but those that kill
// theirs: a start takes as much of the processors as many a test. Topics and
// groups of each bed have names of their own.
func commonKafka(t *testing.T) *server.Kafka {
	t.Helper()
	common.once.Do(func() {
		common.err = common.host.Do(func() { common.kafka = server.StartKafka(common.host, server.KafkaConfig{}) })
	})
	switch missing := common.host.Missing(); {
	case missing != "":
		t.Skip("not run: " + missing)
	case common.err != nil:
		t.Fatal(common.err)
	}
	return common.kafka.For(t)
}
