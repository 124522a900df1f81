package kafka

import (
	"errors"
	"strconv"
	"testing"
)

func (b *bed) decision(n int64, body string) int64 {
	num := func(v int64) []byte { return strconv.AppendInt(nil, v, 10) }
	return b.write("journal", 0, []byte(body), Header{Key: "at", Value: num(10 + n)}, Header{Key: "n", Value: num(n)},
		Header{Key: "lo", Value: num(9)}, Header{Key: "lc", Value: num(4_000_000_000)})
}

func bodies(recs []JournalRecord) []string {
	var s []string
	for _, r := range recs {
		s = append(s, string(r.Body))
	}
	return s
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

var startRecord = JournalRecord{At: 20, LO: 19, LC: 1, Timestamp: 1_700_000_000_000, Body: []byte("start")}

func TestJournalIsReadUpToOurOwnStart(t *testing.T) {
	b := newBed(t, 1)
	b.decision(1, "one")
	b.decision(2, "two")
	c := b.client(-1)
	tail, err := c.OpenJournal(b.ctx(), 0, JournalOpen{From: 1, LastN: 1, Start: startRecord})
	if err != nil {
		t.Fatal(err)
	}
	if got := bodies(tail.Pending); !equal(got, []string{"two", "start"}) || tail.Void != 0 || tail.End != 3 {
		t.Fatalf("pending %v, void %d, end %d", got, tail.Void, tail.End)
	}
	two, own := tail.Pending[0], tail.Pending[1]
	if two.At != 12 || two.N != 2 || two.LO != 9 || two.LC != 4_000_000_000 || two.Offset != 1 {
		t.Errorf("the decision came back as %+v", two)
	}
	if own.N != 3 || own.At != 20 || own.Timestamp != startRecord.Timestamp {
		t.Errorf("our start came back as %+v", own)
	}
	offset, err := c.Decide(b.ctx(), 0, JournalRecord{At: 21, N: 4, Body: []byte("idle")})
	if err != nil || offset != tail.End {
		t.Errorf("the next decision stands at %d, want %d (%v)", offset, tail.End, err)
	}
}

func TestNumberThatIsTakenIsVoid(t *testing.T) {
	b := newBed(t, 1)
	b.decision(1, "one")
	b.decision(1, "one, sent twice")
	b.decision(2, "two")
	b.decision(1, "a late one")
	tail, err := b.client(-1).OpenJournal(b.ctx(), 0, JournalOpen{From: -1, Start: startRecord})
	if err != nil {
		t.Fatal(err)
	}
	if got := bodies(tail.Pending); !equal(got, []string{"one", "two", "start"}) || tail.Void != 2 {
		t.Errorf("pending %v, void %d", got, tail.Void)
	}
}

// The predecessor's last send becomes visible between our reading and our start:
// it took the number, so it counts and our start is repeated.
func TestLateSendOfThePredecessorCountsBeforeOurStart(t *testing.T) {
	b := newBed(t, 1)
	b.decision(1, "one")
	c := b.client(-1)
	count := counter{}
	if err := c.readJournal(b.ctx(), 0, 0, 1, &count); err != nil {
		t.Fatal(err)
	}
	b.decision(2, "the late one")
	tail, err := c.announce(b.ctx(), 0, startRecord, 1, &count)
	if err != nil {
		t.Fatal(err)
	}
	if got := bodies(tail.Pending); !equal(got, []string{"one", "the late one", "start"}) || tail.Void != 1 {
		t.Errorf("pending %v, void %d: want our first start to be void", got, tail.Void)
	}
	if own := tail.Pending[2]; own.N != 3 {
		t.Errorf("our start has number %d", own.N)
	}
}

func TestJournalThatDoesNotFitIsLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		open JournalOpen
		fill func(b *bed)
	}{
		{"a number is missing", JournalOpen{From: 0, LastN: 0}, func(b *bed) { b.decision(1, "a"); b.decision(3, "c") }},
		{"ends before jn", JournalOpen{From: 5, LastN: 5}, func(b *bed) { b.decision(1, "a") }},
		{"ends before what is published", JournalOpen{From: 0, Published: 2}, func(b *bed) { b.decision(1, "a") }},
		{"starts behind jn", JournalOpen{From: 0, LastN: 0}, func(b *bed) {
			b.decision(1, "a")
			b.decision(2, "b")
			if err := b.fake.DeleteRecords("journal", 0, 1); err != nil {
				b.t.Fatal(err)
			}
		}},
		{"no headers", JournalOpen{From: 0}, func(b *bed) { b.write("journal", 0, []byte("foreign")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, 1)
			tt.fill(b)
			tt.open.Start = startRecord
			if _, err := b.client(-1).OpenJournal(b.ctx(), 0, tt.open); !errors.Is(err, ErrJournalLost) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestJournalWhoseStartWasCutBeginsWithWhatIsLeft(t *testing.T) {
	b := newBed(t, 1)
	b.decision(1, "a")
	b.decision(2, "b")
	b.decision(3, "c")
	if err := b.fake.DeleteRecords("journal", 0, 1); err != nil {
		t.Fatal(err)
	}
	tail, err := b.client(-1).OpenJournal(b.ctx(), 0, JournalOpen{From: -1, Start: startRecord})
	if err != nil {
		t.Fatal(err)
	}
	if got := bodies(tail.Pending); !equal(got, []string{"b", "c", "start"}) {
		t.Errorf("pending %v", got)
	}
}
