package oracle

import (
	"strings"
	"testing"
)

func TestRecordsOfKcatAreRead(t *testing.T) {
	const lines = `{"topic":"klines","partition":3,"offset":7,"tstype":"create","ts":17,"broker":1,"headers":["so","12","sk","0","empty",null],"key":"A|1m|60000","payload":"{\"a\":\"\\u00e9\"}"}
% Reached end of topic klines [3] at offset 8
{"topic":"klines","partition":3,"offset":8,"ts":18,"key":null,"payload":null}
`
	var got []Record
	if err := ReadRecords(strings.NewReader(lines), func(r Record) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Headers["so"] != "12" || got[0].Key != "A|1m|60000" || *got[0].Payload != `{"a":"\u00e9"}` || got[1].Payload != nil {
		t.Errorf("got %+v", got)
	}
	if err := ReadRecords(strings.NewReader("{\"topic\":\n"), func(Record) error { return nil }); err == nil {
		t.Error("half a record was read")
	}
}

func TestRefusedTradesAreNamedByTheirPlace(t *testing.T) {
	var r Refused
	for _, headers := range []Headers{
		{"reason": "too_late", "sp": "3", "so": "10", "sk": "0", "idx": "2"},
		{"reason": "too_late", "sp": "3", "so": "10", "sk": "0", "idx": "2"}, // repeat of a crash
		{"reason": "sink", "field": "x"},
	} {
		if err := r.Add(Record{Topic: "late", Headers: headers}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Places) != 1 || r.Places[Place{3, 10, 2}] != "too_late" {
		t.Errorf("places %v", r.Places)
	}
	if err := r.Add(Record{Topic: "late", Headers: Headers{"so": "11", "sk": "0"}}); err == nil {
		t.Error("a record without its source partition was taken")
	}
}
