//go:build unix

package server

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// archiveTime is how long a broker may take to end and to write down its classes.
const archiveTime = 30 * time.Second

// parts counts the archives that brokers of this process may write.
var parts atomic.Int64

// classes is the archive of what a broker has loaded, ready to be mapped by the next one (class data sharing): a start takes 2 s of a processor
// instead of 3.3. The first broker that is left alone until its test ends writes it. Java uses an archive for the same jars at the same place
// and goes without where anything has changed, so the name holds all of that.
type classes struct {
	path string
	part string // what this broker writes; empty: nothing
}

// newClasses finds the archive for a Java, whose version is given as it tells it, and the folder of the jars. Only one alone makes it: of
// several brokers none can be ended in order without the others.
func newClasses(version []byte, jars string, alone bool) classes {
	place, err := filepath.Abs(jars)
	if err != nil {
		return classes{}
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\n%s\n", version, place)
	if stamp, err := os.Stat(filepath.Join(place, ".complete")); err == nil { // a copy of the folder has jars of another time
		fmt.Fprintln(h, stamp.ModTime().UnixNano())
	}
	c := classes{path: filepath.Join(filepath.Dir(place), fmt.Sprintf("classes-%x.jsa", h.Sum64()))}
	if !c.there() && alone {
		c.part = fmt.Sprintf("%s.%d.%d", c.path, os.Getpid(), parts.Add(1)) // brokers of one process may end in the same moment
	}
	return c
}

func (c *classes) there() bool {
	_, err := os.Stat(c.path)
	return c.path != "" && err == nil
}

// read is how Java is told to use the archive, if there is one.
func (c *classes) read() []string {
	if !c.there() {
		return nil
	}
	return []string{"-XX:SharedArchiveFile=" + c.path}
}

// args are those of a broker, which reads the archive or will write it.
func (c *classes) args() []string {
	if c.part == "" || c.there() {
		return c.read()
	}
	return []string{"-XX:ArchiveClassesAtExit=" + c.part}
}

// write ends the broker in order, unless its test has, which writes the archive. Without one every start only takes longer.
func (c *classes) write(t testing.TB, broker *Process) {
	if c.part == "" {
		return
	}
	defer os.Remove(c.part)
	if err := ended(broker); err != nil {
		t.Logf("writing down the classes of a broker: %v", err)
		return
	}
	if err := os.Rename(c.part, c.path); err != nil {
		t.Logf("writing down the classes of a broker: %v", err)
	}
}

// ended ends a broker in order and fails where it ended in another way: half an archive would fail every start.
func ended(broker *Process) error {
	if broker.Running() {
		return broker.Stop(archiveTime)
	}
	code, err := broker.ExitCode(time.Second)
	if err == nil && code != exitTerminated {
		err = fmt.Errorf("it ended with the code %d", code)
	}
	return err
}
