//go:build unix

package server

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// An archive of another Java or of jars that were copied is not looked at, and several brokers write none.
func TestTheArchiveOfClassesIsThatOfThisJavaAndTheseJars(t *testing.T) {
	jars := filepath.Join(t.TempDir(), "lib")
	for _, path := range []string{jars, filepath.Join(jars, ".complete")} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := newClasses([]byte("17.0.1"), jars, true)
	if got := c.args(); len(c.read()) != 0 || !slices.Equal(got, []string{"-XX:ArchiveClassesAtExit=" + c.part}) {
		t.Errorf("without an archive: %q, %q", got, c.read())
	}
	if beside := newClasses([]byte("17.0.1"), jars, true); beside.part == c.part || beside.path != c.path {
		t.Errorf("two brokers write %s and %s", c.part, beside.part)
	}
	if several := newClasses([]byte("17.0.1"), jars, false); len(several.args()) != 0 || several.path != c.path {
		t.Errorf("several brokers get %q", several.args())
	}
	if err := os.WriteFile(c.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.args(); !slices.Equal(got, []string{"-XX:SharedArchiveFile=" + c.path}) {
		t.Errorf("with an archive: %q", got)
	}
	if other := newClasses([]byte("17.0.2"), jars, true); other.there() {
		t.Error("that of another Java is taken")
	}
	if err := os.Chtimes(filepath.Join(jars, ".complete"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if copied := newClasses([]byte("17.0.1"), jars, true); copied.there() {
		t.Error("that of other jars is taken")
	}
}
