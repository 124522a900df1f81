package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	good := spaced(t, 3, 1, "A")
	for _, test := range []struct {
		name string
		cfg  ReplayConfig
		want string
	}{
		{"no file", ReplayConfig{}, "no file is named"},
		{"missing file", ReplayConfig{File: good + ".csv"}, "opening replay file: open "},
		{"suffix", ReplayConfig{File: "trades.bin"}, `the name "trades.bin" does not tell the format (add format csv or format jsonl)`},
		{"format", ReplayConfig{File: good, Format: "xml"}, `unrecognized format "xml" (allowed: csv, jsonl)`},
		{"loop", ReplayConfig{File: good, Loop: true}, "loop needs `rebase now`"},
		{"preload", ReplayConfig{File: good, Preload: time.Hour}, "preload needs `rebase now`"},
		{"negative preload", ReplayConfig{File: good, RebaseNow: true, Preload: -1}, "must not be negative"},
		{"symbol", ReplayConfig{File: good, Symbol: "A|B"}, `symbol "A|B" is not allowed`},
		{"speed", ReplayConfig{File: good, Speed: -1}, "speed must be above 0"},
		{"source name", ReplayConfig{File: good, SourceName: strings.Repeat("x", 65)}, "source_name must have 1 to 64 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.cfg.SourceName == "" {
				test.cfg.SourceName = "x"
			}
			if _, err := NewReplay(test.cfg, &topic{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, text := range []string{"", "0", "-1", "NaN", "inf", "1e7", "fast"} {
		if s, err := ParseSpeed(text); err == nil {
			t.Errorf("speed %q gave %v", text, s)
		}
	}
}

func TestFileErrorsNameFileAndLine(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty.csv", "", "reading empty.csv:1: the file is empty (the first line names the columns"},
		{"header.csv", "ts,price,size\n", "header.csv:1: no column \"symbol\" among \"ts,price,size\" (the first line names the columns); add the word symbol <name> to the feed, or --symbol to the command"},
		{"names.csv", "time,px,size,symbol\n1,1,1,A\n", `names.csv:1: no column "price"`},
		{"twice.csv", "ts,price,size,symbol,price\n", `two columns are called "price"`},
		{"rows.csv", "ts,price,size,symbol\n", "reading rows.csv: it holds no trade"},
		{"short.csv", "ts,price,size,symbol\n1,1,1\n", "short.csv:2: unusable line: wrong number of fields"},
		{"quote.csv", "ts,price,size,symbol\n1,1,1,\"A\n", "quote.csv:2: unusable line: extraneous or missing \""},
		{"price.csv", "ts,price,size,symbol\n1,1,1,A\n2,one,1,A\n", `price.csv:3: unusable line: reason price, field "price"`},
		{"ids.csv", "ts,price,size,symbol,id\n1,1,1,A,5\n1,1,1,B,4\n2,1,1,A,5\n", "ids.csv:4: id 5 does not ascend (last of its symbol: 5)"},
		{"gap.csv", "ts,price,size,symbol,id\n1,1,1,A,5\n1,1,1,A,\n", "gap.csv:3: the trade has no integer id"},
		{"span.csv", "ts,price,size,symbol,id\n1,1,1,A,-5\n1,1,1,A,9223372036854775807\n", "its ids span more than 63 bits"},
		{"back.csv", "ts,price,size,symbol\n100000,1,1,A\n1,1,1,A\n", "back.csv:3: the event time goes back by 99999 ms: sort the file"},
		{"bad.jsonl", "{\"symbol\":\"A\",\"price\":1,\"size\":1,\"ts\":1}\n\n{\"symbol\"\n", "bad.jsonl:3: decoding record: rejected: decode"},
		{"long.jsonl", strings.Repeat(" ", wire.MaxRecordBytes+3) + "\n", "long.jsonl:1: unusable line: longer than 65536 bytes"},
		{"plain.csv.gz", "ts,price\n", "reading plain.csv.gz: not a gzip file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), test.name)
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := NewReplay(ReplayConfig{File: path, SourceName: "x", RebaseNow: true}, &topic{})
			if err == nil { // beyond the first trade
				err = r.Run(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRowsOfEveryForm(t *testing.T) {
	const want = `{"symbol":"A","price":"1.5","size":"2","ts":3000,"id":7,"side":"sell"}`
	zipped := &bytes.Buffer{}
	z := gzip.NewWriter(zipped)
	_, err := z.Write([]byte("ts,price,size,symbol,id,side\n3000,1.50,2,A,7,SELL\n"))
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	renamed := &wire.Mapping{TimeUnit: wire.UnitSeconds, SideOf: wire.SideOfMaker}
	renamed.Paths[wire.FieldTS], renamed.Paths[wire.FieldSize] = wire.Path{"timestamp"}, wire.Path{"amount"}
	for _, test := range []struct {
		name, text string
		cfg        ReplayConfig
	}{
		{"t.csv", "ts,price,size,id,side,symbol\n3000,1.5,2,7,sell,A\n", ReplayConfig{}},
		{"spreadsheet.csv", "\ufeffsymbol, ts ,price,size,id,side,note\r\nA,3000,\"1.5\", 2 ,7,sell,\"x,\ny\"\r\n", ReplayConfig{}},
		{"one.csv", "ts,price,size,id,side\n3000,1.5,2,7,sell\n", ReplayConfig{Symbol: "A"}},
		{"mapped.csv", "timestamp,price,amount,id,side,symbol\n3,1.5,2,7,buy,A\n", ReplayConfig{Mapping: renamed}},
		{"t.csv.gz", zipped.String(), ReplayConfig{}},
		{"t.jsonl", `{"price":1.5,"symbol":"A","size":2,"ts":3000,"id":"7","side":"sell"}` + "\r\n", ReplayConfig{}},
		{"one.ndjson", "\n" + `{"price":1.5,"size":2,"ts":3000,"id":7,"side":"sell"}`, ReplayConfig{Symbol: "A"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.File, test.cfg.SourceName = test.name, "x"
			if err := test.cfg.complete(); err != nil {
				t.Fatal(err)
			}
			in, err := newRows(&test.cfg, test.name, strings.NewReader(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var trade core.Trade
			if _, err := in.next(&trade); err != nil {
				t.Fatal(err)
			}
			if got := string(wire.AppendTrade(nil, &trade)); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if _, err := in.next(&trade); !errors.Is(err, io.EOF) {
				t.Errorf("behind the last trade: %v", err)
			}
		})
	}
}

func TestDemoFilesCanBePlayed(t *testing.T) {
	for name, want := range map[string]int64{"trades.csv.gz": 30_000, "synthetic.csv.gz": 20_000} {
		path := filepath.Join("..", "..", "docs", "demo", name)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("not run: %s is missing", path)
		}
		cfg := ReplayConfig{File: path, Symbol: "BTCUSD", SourceName: "demo", RebaseNow: true}
		if err := cfg.complete(); err != nil {
			t.Fatal(err)
		}
		s, err := surveyFile(t.Context(), &cfg)
		if err != nil || s.rows != want || s.disorder != 0 || s.fileIDs {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzReplayCSV(f *testing.F) {
	f.Add([]byte("ts,price,size,symbol\n1,1,1,A\n"))
	f.Add([]byte("\ufeffts,price,size,symbol,id,side\r\n\"1\",1e-7,.5,A,x,sell\r\n\r\n2,1,1,A,y,\n"))
	f.Add([]byte("ts,price,size,symbol\n1,1,1,\"A\n\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := ReplayConfig{File: "f.csv", SourceName: "x"}
		if err := cfg.complete(); err != nil {
			t.Fatal(err)
		}
		in, err := newRows(&cfg, cfg.File, bytes.NewReader(text))
		if err != nil {
			return
		}
		d := wire.NewDecoder(nil)
		for last := 1; ; {
			var trade core.Trade
			line, err := in.next(&trade)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if !strings.HasPrefix(err.Error(), "reading f.csv:") {
					t.Fatalf("the error names no line: %v", err)
				}
				return
			}
			if line <= last {
				t.Fatalf("line %d follows line %d", line, last)
			}
			last = line
			// What is written can be read, and is the same trade.
			out := wire.AppendTrade(nil, &trade)
			back, err := d.Decode(out, nil)
			if err != nil || back[0].Reject != core.ReasonNone || !bytes.Equal(wire.AppendTrade(nil, &back[0]), out) {
				t.Fatalf("row became %s: %v, %v", out, back, err)
			}
		}
	})
}

// endless is text without an end, as far as anybody wants to know.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read > 64<<20 {
		return 0, io.EOF
	}
	e.read += int64(len(p))
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// A quote that is never closed must not bring the rest of a file into memory.
func TestAQuoteThatIsNeverClosedIsRefusedWithItsLine(t *testing.T) {
	cfg := ReplayConfig{File: "f.csv", SourceName: "x"}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	rest := new(endless)
	in, err := newRows(&cfg, cfg.File, io.MultiReader(strings.NewReader("ts,price,size,symbol,id\n1,1,1,A,x\n2,1,1,A,\""), rest))
	if err != nil {
		t.Fatal(err)
	}
	var trade core.Trade
	if _, err := in.next(&trade); err != nil {
		t.Fatal(err)
	}
	_, err = in.next(&trade)
	if err == nil || !strings.HasPrefix(err.Error(), "reading f.csv:3: ") || !strings.Contains(err.Error(), "never closed") {
		t.Errorf("got %v", err)
	}
	if rest.read > 4<<20 {
		t.Errorf("%d bytes of the rest were read", rest.read)
	}
}

// Two ids with different bytes that are not UTF-8 would become one in JSON.
func TestTextThatIsNotUTF8IsRefusedWithItsLine(t *testing.T) {
	cfg := ReplayConfig{File: "f.csv", SourceName: "x"}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	in, err := newRows(&cfg, cfg.File, strings.NewReader("ts,price,size,symbol,id\n1,1,1,A,x\n2,1,1,A,\xb9\n"))
	if err != nil {
		t.Fatal(err)
	}
	var trade core.Trade
	if _, err := in.next(&trade); err != nil {
		t.Fatal(err)
	}
	_, err = in.next(&trade)
	if err == nil || !strings.HasPrefix(err.Error(), "reading f.csv:3:") || !strings.Contains(err.Error(), `field "id" is not UTF-8`) {
		t.Errorf("got %v", err)
	}
}
