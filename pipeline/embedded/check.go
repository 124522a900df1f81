package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// topicsFile is where kfake keeps what topics there are.
const topicsFile = "topics.json"

// Check tells, without opening anything, whether the log in the data folder was
// made with another number of partitions: a configuration that cannot start
// should be refused while the one before it still runs. What it cannot read is
// left to Start, which says why.
func Check(cfg Config) error {
	cfg = cfg.withDefaults()
	text, err := os.ReadFile(filepath.Join(cfg.DataDir, "log", topicsFile)) // #nosec G304 -- the operator's folder
	if err != nil {
		return nil //nolint:nilerr // no log yet, or none for this user to read
	}
	var log struct {
		Topics []struct {
			Name       string `json:"name"`
			Partitions int    `json:"partitions"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(text, &log); err != nil {
		return nil //nolint:nilerr // a damaged log is for Start to tell about
	}
	for _, t := range log.Topics {
		for _, want := range cfg.Topics {
			if t.Name != want.Name {
				continue
			}
			if err := cfg.fits(t.Name, t.Partitions); err != nil {
				return fmt.Errorf("checking the embedded broker: %w", err)
			}
		}
	}
	return nil
}

// fits compares the number of partitions that a topic has with the configured
// one.
func (c Config) fits(topic string, n int) error {
	if n == int(c.Partitions) {
		return nil
	}
	return fmt.Errorf("topic %q in %q has %d partitions, %d are configured: the number is fixed at creation, set it back (word partitions) or remove the folder to start with an empty log",
		topic, c.DataDir, n, c.Partitions)
}

// TryListen tells whether the address can be listened on now.
func TryListen(addr string) error {
	g, err := listen(Config{Listen: addr}.withDefaults())
	if err != nil {
		return err
	}
	return g.Close()
}

// TryFolder tells whether the data folder can be taken now. It creates a folder
// that is missing, as Start would.
func TryFolder(dir string) error {
	b := &Broker{cfg: Config{DataDir: dir}}
	if err := b.claim(); err != nil {
		return err
	}
	return b.lock.Unlock()
}
