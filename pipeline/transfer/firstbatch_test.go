package transfer

import (
	"os"
	"strings"
	"testing"
)

// idsOf are the message ids of what m has.
func idsOf(m *memory) map[string]bool {
	ids := map[string]bool{}
	for i := range m.records {
		ids[messageID(&m.records[i])] = true
	}
	return ids
}

// withoutIDs are trades that get the ids of their place.
func withoutIDs(symbol string, from, n int) []byte {
	lines := strings.SplitAfter(minutes(symbol, from, n), "\n")
	for i, line := range lines {
		if at := strings.Index(line, `,"id"`); at > 0 {
			lines[i] = line[:at] + "}\n"
		}
	}
	return []byte(strings.Join(lines, ""))
}

// rewrite puts other content into a file.
func rewrite(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnImportThatIsKilledInItsFirstBatchGoesOn(t *testing.T) {
	for name, kept := range map[string]bool{"it is there": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			path := put(t, "a.jsonl", []byte(minutes("A", 0, 20)))
			killedAt(t, m, path, 1, kept)
			if err := guarded(t, m, m, path); err != nil {
				t.Fatal(err)
			}
			if got := len(idsOf(m)); got != 20 {
				t.Errorf("%d ids of 20 rows", got)
			}
		})
	}
}

func TestRowsOfAFirstBatchKeepTheirIDsInAFileThatGrew(t *testing.T) {
	m := &memory{}
	path := put(t, "a.jsonl", withoutIDs("A", 0, 20))
	killedAt(t, m, path, 1, true)
	rewrite(t, path, withoutIDs("A", 0, 25))
	if _, err := run(t, Config{Target: m}, path); err != nil {
		t.Fatal(err)
	}
	if got := len(idsOf(m)); got != 25 || len(m.records) != 35 {
		t.Errorf("%d ids of 25 rows, %d records", got, len(m.records))
	}
}

// The rows of another file are trades of their own: with the ids of the first
// batch they would be taken for repeats.
func TestAnotherFileDoesNotTakeTheIDsOfAFirstBatch(t *testing.T) {
	for name, rows := range map[string]int{"as long": 20, "shorter than the batch": 5, "empty": 0} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			path := put(t, "a.jsonl", withoutIDs("A", 0, 20))
			killedAt(t, m, path, 1, true)
			rewrite(t, path, withoutIDs("A", 60, rows))
			if err := guarded(t, m, m, path); err != nil {
				t.Fatal(err)
			}
			if got := len(idsOf(m)); got != 10+rows {
				t.Errorf("%d ids of %d trades", got, 10+rows)
			}
		})
	}
}

func TestAFirstBatchThatMayBeThereNeedsTheWordsOfBefore(t *testing.T) {
	m := &memory{}
	path := put(t, "a.jsonl", []byte(minutes("A", 0, 20)))
	killedAt(t, m, path, 1, true)
	if _, err := run(t, Config{Target: m, TimeUnit: "ms"}, path); err == nil || !strings.Contains(err.Error(), "other words") {
		t.Errorf("got %v", err)
	}
	if totals, err := run(t, Config{Target: m, TimeUnit: "ms", Restart: true}, path); err != nil || totals.Rows != 20 {
		t.Errorf("from the beginning: %+v, %v", totals, err)
	}
}
