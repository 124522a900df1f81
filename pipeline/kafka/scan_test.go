package kafka

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestTwoRangesAreReadInStep(t *testing.T) {
	b := newBed(t, 2)
	b.trades(0, 0, 1200)
	b.trades(1, 5000, 3)
	edges, err := EdgesOf(b.ctx(), b.at, "ticks")
	if err != nil || len(edges) != 2 || edges[0] != (Edges{0, 1200}) || edges[1] != (Edges{0, 3}) {
		t.Fatalf("edges %v, %v", edges, err)
	}
	long, err := OpenRange(b.at, "ticks", 0, 10, 1190)
	if err != nil {
		t.Fatal(err)
	}
	defer long.Close()
	short, err := OpenRange(b.at, "ticks", 1, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	var got int64 = 10
	for {
		recs, err := long.Next(b.ctx())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range recs {
			if recs[i].Offset != got {
				t.Fatalf("offset %d, want %d", recs[i].Offset, got)
			}
			got++
		}
		if _, err := short.Next(b.ctx()); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if got != 1190 {
		t.Errorf("read up to %d, want 1190", got)
	}
	empty, err := OpenRange(b.at, "ticks", 0, 7, 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Next(b.ctx()); !errors.Is(err, io.EOF) {
		t.Errorf("an empty range: %v", err)
	}
}

func TestOffsetsByGroupAndTime(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 0, 5)
	if at, err := GroupOffsets(b.ctx(), b.at, "nobody", "ticks"); err != nil || len(at) != 0 {
		t.Errorf("a group that does not exist: %v, %v", at, err)
	}
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: "ticks", At: 3})
	if _, err := b.adm.CommitOffsets(b.ctx(), "g", o); err != nil {
		t.Fatal(err)
	}
	if at, err := GroupOffsets(b.ctx(), b.at, "g", "ticks"); err != nil || at[0] != 3 {
		t.Errorf("committed %v, %v, want 3", at, err)
	}
	if at, err := OffsetsAt(b.ctx(), b.at, "ticks", 1); err != nil || at[0] != 0 {
		t.Errorf("the first record after 1970 is %v, %v", at, err)
	}
	if at, err := OffsetsAt(b.ctx(), b.at, "ticks", time.Now().Add(time.Hour).UnixMilli()); err != nil || at[0] != 5 {
		t.Errorf("in an hour: %v, %v, want the end", at, err)
	}
}

func TestAJournalIsReadByItsNumbers(t *testing.T) {
	b := newBed(t, 1)
	put := func(n string) {
		b.write("journal", 0, []byte(`[{"op":"start"}]`), headers("at", "0", "n", n, "lo", "-1", "lc", "0")...)
	}
	put("1")
	put("2")
	put("2") // the send of a dead predecessor
	put("3")
	recs, err := ReadJournal(b.ctx(), b.at, "journal", 0, 1<<62)
	if err != nil || len(recs) != 3 || recs[2].N != 3 || recs[2].Offset != 3 {
		t.Fatalf("%v, %v", recs, err)
	}
	put("5")
	if _, err = ReadJournal(b.ctx(), b.at, "journal", 0, 1<<62); !errors.Is(err, ErrJournalLost) || !strings.Contains(err.Error(), "at 4") {
		t.Errorf("a hole in the numbers: %v", err)
	}
}

// headers makes headers of names and values.
func headers(pairs ...string) (hs []Header) {
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return hs
}
