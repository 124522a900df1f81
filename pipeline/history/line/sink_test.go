package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// server answers as the databases do, and keeps what was sent.
type server struct {
	*httptest.Server
	answer string // to a question for positions
	refuse string // lines that hold it are answered 400
	bodies []string
	users  []string
}

func newServer(t *testing.T, answer string) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		s.users = append(s.users, user+":"+password)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch {
		case r.URL.Path != "/write":
			fmt.Fprint(w, s.answer)
		case s.refuse != "" && strings.Contains(string(body), s.refuse):
			http.Error(w, `{"code":"invalid","message":"bad"}`, http.StatusBadRequest)
		default:
			s.bodies = append(s.bodies, string(body))
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) addr() string { return strings.TrimPrefix(s.URL, "http://") }

func batch(t *testing.T, refused *[]int, syms ...string) *history.Batch {
	b := &history.Batch{Topic: "klines@1", Moves: []history.Move{{P: 0, From: 0, To: 9}}}
	for _, sym := range syms {
		k := *testKline(t)
		k.Sym = sym
		b.Klines = append(b.Klines, k)
	}
	b.Refuse = func(_ context.Context, all []history.Refusal) error {
		for _, r := range all {
			*refused = append(*refused, r.Row)
		}
		return nil
	}
	return b
}

func TestPositionsAreReadBack(t *testing.T) {
	for name, tc := range map[string]struct {
		dialect Dialect
		answer  string
		want    map[int32]int64
	}{
		"questdb":          {QuestDB, `{"dataset":[[0,17],[3,5]],"count":2}`, map[int32]int64{0: 17, 3: 5}},
		"questdb, none":    {QuestDB, `{"dataset":[]}`, map[int32]int64{}},
		"influxdb":         {InfluxDB, `{"results":[{"series":[{"tags":{"p":"3"},"values":[[0,5]]},{"tags":{"p":"0"},"values":[[0,17]]}]}]}`, map[int32]int64{0: 17, 3: 5}},
		"influxdb, none":   {InfluxDB, `{"results":[{}]}`, map[int32]int64{}},
		"influxdb, error":  {InfluxDB, `{"results":[{"error":"no such thing"}]}`, nil},
		"influxdb, shape":  {InfluxDB, `{"results":[{"series":[{"tags":{"p":"x"},"values":[[0,5]]}]}]}`, nil},
		"another language": {QuestDB, `<html>`, nil},
	} {
		s := newServer(t, tc.answer)
		got, err := New(Config{Addr: s.addr(), Dialect: tc.dialect}).Open(t.Context(), "klines@1", 4)
		if !maps.Equal(got, tc.want) || (err == nil) != (tc.want != nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestThePositionComesAfterTheRows(t *testing.T) {
	s := newServer(t, "")
	var refused []int
	sink := New(Config{Addr: s.addr(), Credentials: func() (string, string) { return "ann", "secret" }})
	if err := sink.Write(t.Context(), batch(t, &refused, "A", "B")); err != nil {
		t.Fatal(err)
	}
	if len(s.bodies) != 2 || strings.Count(s.bodies[0], "\n") != 2 || !strings.HasPrefix(s.bodies[1], "kline_positions,") || len(refused) > 0 {
		t.Errorf("sent %q, refused %v", s.bodies, refused)
	}
	if s.users[0] != "ann:secret" {
		t.Errorf("the server was told %q", s.users[0])
	}
}

func TestALineThatIsRefusedIsFoundAndTheOthersAreStored(t *testing.T) {
	s := newServer(t, "")
	s.refuse = "sym=BAD"
	var refused []int
	if err := New(Config{Addr: s.addr()}).Write(t.Context(), batch(t, &refused, "A", "B", "BAD", "C", "D")); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(s.bodies, "")
	if len(refused) != 1 || refused[0] != 2 || strings.Count(all, "klines,sym=") != 4 || !strings.Contains(s.bodies[len(s.bodies)-1], "kline_positions") {
		t.Errorf("refused %v, sent %q", refused, all)
	}
}

// Without the dead letter the position must stay where it was.
func TestThePositionStaysWhenTheDeadLetterFails(t *testing.T) {
	s := newServer(t, "")
	s.refuse = "sym=BAD"
	b := batch(t, nil, "BAD")
	away := errors.New("away")
	b.Refuse = func(context.Context, []history.Refusal) error { return away }
	if err := New(Config{Addr: s.addr()}).Write(t.Context(), b); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	if len(s.bodies) != 0 {
		t.Errorf("sent %q", s.bodies)
	}
}
