package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// named is a record with a value of an indicator that this node does not have
// configured, as the records of an earlier configuration or of another node are.
func named(m made, indicator string) made {
	m.foreign = indicator
	return m
}

// What a record carries under the name of an indicator that somebody asks for on
// another series is not that instance's value: it was published by a configuration
// that had it in `compute`.
func TestValuesOfOtherConfigurationsAreNotTakenForOnesOnDemand(t *testing.T) {
	const foreign = "mine/decay(0.25)"
	h, _ := demandHub(nil)
	closeBars(h, 10, 15)
	s := stream(t, h, "s=BTC@1m:"+foreign, "")
	defer s.Close()
	told(t, s)

	other := stream(t, h, "s=ETH@1m:kline", "")
	defer other.Close()
	told(t, other)
	h.Apply(0, []Record{named(bare("ETH", 20, 0, 1), foreign).record(20, 20, 0)})
	forming := named(bare("ETH", 21, 0, 1), foreign)
	forming.final = false
	h.Forming(0, [][]byte{forming.json()})
	h.Apply(0, []Record{{Offset: 21, So: 21, Kind: KindRestated, Value: fmt.Appendf(nil,
		`{"sym":"ETH","itv":"1m","ind":%q,"rev":1,"seq":2,"why":"late","ver":"9f3c1a77","t":[%d],"out":["value"],"v":[[1]]}`, foreign, 20*minute)}})
	fake(h).Advance(time.Second)
	text := told(t, other)
	if len(dataOf(text, "kline")) != 2 || len(dataOf(text, "indicator")) != 0 {
		t.Errorf("a bar and a forming one without values came as %s", text)
	}

	h.Apply(0, []Record{named(bare("BTC", 15, 0, 15), foreign).record(22, 22, 0)})
	values := dataOf(told(t, s), "indicator")
	if _, want := wantValues(h, "BTC", 0.25); len(values) != 1 || !strings.Contains(values[0], `"value":`+want[len(want)-1]) {
		t.Errorf("of one bar came the values %v", values)
	}
}

// A version may write an instance in another way: it has one more parameter, or
// another default. The series that somebody reads keeps its name and goes on.
func TestAnInstanceKeepsItsNameWhateverAVersionCallsIt(t *testing.T) {
	const longer = "mine/decay(0.25,0)"
	h, c := demandHub(func(d *decay) {
		if d.meta.Version == "00000002" {
			d.meta.Name = longer
		}
	})
	closeBars(h, 10, 15)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)&snapshot=100", "")
	defer s.Close()
	told(t, s)
	// Somebody else asks for it under its new name, on another series.
	h.dyn.computer = &longNames{c}
	h.Apply(0, []Record{bare("ETH", 14, 0, 1).record(15, 15, 0)})
	c.supersede(h, 16*minute, "00000002")
	h.mend(context.Background())
	get(t, h, "/v1/values?sym=ETH&itv=1m&ind="+longer)
	for n := int64(15); n < 19; n++ {
		h.Apply(0, []Record{bare("BTC", n, 0, n).record(n+10, n+10, 0)})
	}
	var got []string
	for _, data := range dataOf(told(t, s), "indicator") {
		e := decode[struct {
			Ind, Ver string
			T        int64
		}](t, data)
		got = append(got, fmt.Sprintf("%s %d %s", e.Ind, e.T/minute, e.Ver))
	}
	want := "mine/decay(0.25) 15 00000001, mine/decay(0.25) 16 00000002, mine/decay(0.25) 17 00000002, mine/decay(0.25) 18 00000002"
	if strings.Join(got, ", ") != want {
		t.Errorf("told %v, want %s", got, want)
	}
	if n, _ := h.number(longer); h.find("BTC", "1m").extras[n] != nil {
		t.Error("the values of one instance made a place for another")
	}
}

// longNames is a computer that knows the name of the new version.
type longNames struct{ *decays }

func (l *longNames) Turns(ctx context.Context, text string) ([]Turn, error) {
	if text != "mine/decay(0.25,0)" {
		return l.decays.Turns(ctx, text)
	}
	turns, err := l.decays.Turns(context.Background(), "mine/decay(0.25)")
	return turns[len(turns)-1:], err
}
