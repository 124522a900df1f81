package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// stage is a request that changes the registry in several writes.
type stage struct {
	name         string
	before       []request // from an empty registry to where the change begins
	change       request
	again        []int  // what a client may be answered who asks once more, besides the first answer
	between      string // what may stand there besides the states before and after
	versionsLeft int    // afterwards
}

type request struct {
	method, path, body string
	version            int // of the module that is sent; 0: body is
	status             int
}

func upload(version int, query string) request {
	return request{"PUT", "/v1/modules/trial-sum" + query, "", version, 201}
}

func post(what, body string) request {
	return request{"POST", "/v1/modules/trial-sum/" + what, body, 0, 202}
}

const (
	activateOld = `{"version":"1.0.100","now":true}`
	activateNew = `{"version":"1.0.101","now":true}`
)

// stages are all changes that routes make.
func stages() []stage {
	first, second := upload(100, ""), upload(101, "")
	live, swapped := []request{upload(100, "?activate=1"), second}, []request{upload(100, "?activate=1"), second, post("activate", activateNew)}
	kill := request{"PUT", "/v1/modules/_kills/module/trial-sum", `{"reason":"drill"}`, 0, 200}
	return []stage{
		{"upload", nil, first, []int{200}, "", 1},
		{"upload of a second version", []request{first}, second, []int{200}, "", 2},
		{"upload and activate", nil, upload(100, "?activate=1"), []int{200}, "trial-sum: active  shadow  [1.0.100 staged]", 1},
		{"activate", []request{first}, post("activate", activateOld), nil, "", 1},
		{"activate another", live, post("activate", activateNew), nil, "", 2},
		{"shadow run", live, post("activate", `{"version":"1.0.101"}`), nil, "trial-sum: active 1.0.100 shadow 1.0.101 [1.0.100 active 1.0.101 shadow]", 2},
		{"rollback", swapped, post("rollback", `{"version":"1.0.101"}`), []int{409}, "", 2},
		{"deactivate", live, post("deactivate", ""), nil, "", 2},
		{"delete a version", []request{first, second}, request{"DELETE", "/v1/modules/trial-sum?version=1.0.100", "", 0, 204}, []int{404}, "", 1},
		{"delete", []request{first, second}, request{"DELETE", "/v1/modules/trial-sum", "", 0, 204}, []int{404},
			"trial-sum: active  shadow  [1.0.101 staged]|trial-sum: active  shadow  [1.0.100 staged]", 0},
		{"kill", live, kill, nil, "", 2},
		{"lift", append(slices.Clone(live), kill), request{"DELETE", "/v1/modules/_kills/module/trial-sum", "", 0, 200}, []int{404}, "", 2},
	}
}

// send makes a request and returns its status, 0 if the node died meanwhile.
func (r request) send(u *uploads) int {
	body := []byte(r.body)
	if r.version > 0 {
		body = summing(u.t, r.version)
	}
	method := r.method
	status, answer, err := u.askAs(method, r.path, r.contentType(), body)
	if err != nil {
		return 0
	}
	u.t.Logf("%s %s: %d %.120s", r.method, r.path, status, answer)
	return status
}

func (r request) contentType() string {
	if r.version > 0 {
		return "application/wasm"
	}
	return "application/json"
}

// registered is what a node says of the registry, without times.
func (u *uploads) registered() string {
	u.t.Helper()
	var list struct {
		Modules []struct {
			Module     string
			Builtin    bool
			Activation *struct{ Active, Shadow, State string }
			Versions   []struct{ Version, State, SHA256 string }
		}
		Problems []any
	}
	if err := json.Unmarshal(u.must(200, "GET", "/v1/modules", nil), &list); err != nil {
		u.t.Fatal(err)
	}
	var out []string
	for _, m := range list.Modules {
		if m.Builtin {
			continue
		}
		var versions []string
		for _, v := range m.Versions {
			versions = append(versions, v.Version+" "+v.State)
		}
		active, shadow, stopped := "", "", ""
		if a := m.Activation; a != nil {
			active, shadow = a.Active, a.Shadow
			if a.State == "stopped" {
				stopped = " stopped"
			}
		}
		out = append(out, fmt.Sprintf("%s: active %s shadow %s %v%s", m.Module, active, shadow, versions, stopped))
	}
	var kills struct {
		Kills []struct{ Scope, Name string }
	}
	if err := json.Unmarshal(u.must(200, "GET", "/v1/modules/_kills", nil), &kills); err != nil {
		u.t.Fatal(err)
	}
	for _, k := range kills.Kills {
		out = append(out, "kill of "+k.Scope+" "+k.Name)
	}
	if len(list.Problems) > 0 {
		out = append(out, fmt.Sprint("problems ", list.Problems))
	}
	return strings.Join(out, "; ")
}

// says waits until a node says one of the states, and returns it.
func (u *uploads) says(limit time.Duration, states ...string) string {
	u.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		got := u.registered()
		if slices.Contains(states, got) {
			return got
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("the registry is\n\t%s\nwant one of\n\t%s", got, strings.Join(states, "\n\t"))
		}
	}
}

// emptied takes everything out of the registry.
func (u *uploads) emptied() {
	u.t.Helper()
	for _, r := range []request{{"DELETE", "/v1/modules/_kills/module/trial-sum", "", 0, 0}, post("deactivate", ""), {"DELETE", "/v1/modules/trial-sum", "", 0, 0}} {
		if status := r.send(u); status == 0 || status >= 500 {
			u.t.Fatalf("%s %s: %d", r.method, r.path, status)
		}
	}
	u.says(time.Minute, "")
}

func (u *uploads) restart(setting string) {
	u.t.Helper()
	if u.node.Running() {
		u.kill()
	}
	u.node.SetEnv("KLINE_FAILPOINT=" + setting)
	u.node.Restart()
	u.ready()
}

// lead brings an empty registry to where the change begins.
func (u *uploads) lead(s *stage) {
	u.t.Helper()
	u.emptied()
	for _, r := range s.before {
		if status := r.send(u); status != r.status {
			u.t.Fatalf("%s %s: %d, want %d", r.method, r.path, status, r.status)
		}
	}
}

// whole runs a change in peace and returns the states before and after it, as two nodes see them.
func (u *uploads) whole(s *stage, other *uploads) (before, after string) {
	u.t.Helper()
	u.lead(s)
	before = u.registered()
	if status := s.change.send(u); status != s.change.status {
		u.t.Fatalf("%d, want %d", status, s.change.status)
	}
	after = u.registered()
	for deadline := time.Now().Add(time.Minute); after == s.between && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		after = u.registered() // a shadow run ends by itself
	}
	if before == after {
		u.t.Fatalf("the change changed nothing: %s", after)
	}
	other.says(time.Minute, after)
	return before, after
}

// killed kills the node in the middle of a change, and says whether it came to that.
func (u *uploads) killed(s *stage, other *uploads, point string, n int, before, after string) bool {
	u.t.Helper()
	u.lead(s)
	u.restart(fmt.Sprintf("%s=kill@%d", point, n))
	u.says(time.Minute, before)
	if status := s.change.send(u); status != 0 {
		// All answers were given; what the shadow run writes behind them may still kill.
		if s.between == "" || !strings.Contains(s.between, "shadow 1") {
			return false
		}
		if code, err := u.node.ExitCode(patience); err != nil || code != -1 {
			return false
		}
	}
	if code, err := u.node.ExitCode(patience); err != nil || code != -1 {
		u.t.Fatalf("the node did not die at %s: exit code %d, %v", point, code, err)
	}
	u.restart("")
	found := u.says(time.Minute, append(strings.Split(s.between, "|"), before, after)...)
	other.says(time.Minute, found)
	u.t.Logf("%s: killed at %s %d, found %q", s.name, point, n, found)
	if status := s.change.send(u); status != s.change.status && !slices.Contains(s.again, status) {
		u.t.Errorf("%s: after a kill at %s %d and with %q a client who asks again is answered %d", s.name, point, n, found, status)
	}
	other.says(time.Minute, u.says(time.Minute, after))
	u.command(true, "audit", "--verify")
	return true
}

// Every change is killed at each of its writes. Two nodes then see the state
// before it or the one behind it, the client's next try is answered as if
// nothing had been, the audit log is whole, and nothing is left over.
func TestServersKilledAtEveryWriteOfTheRegistry(t *testing.T) {
	path, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stages() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			u, other := newUploadsOf(t, path, dir, ""), newUploadsIn(t, dir)
			before, after := u.whole(&s, other)
			writes := 0
			for u.killed(&s, other, "after_registry", writes+1, before, after) {
				writes++
			}
			if writes < 2 {
				t.Errorf("only %d writes", writes)
			}
			u.restart("")
			u.killed(&s, other, "before_registry", 1, before, after)
			t.Logf("%s: killed at %d writes", s.name, writes)
			u.lead(&stage{before: s.before})
			if status := s.change.send(u); status != s.change.status {
				t.Errorf("at the end the change is answered %d", status)
			}
			u.says(time.Minute, after)
			u.files(s.versionsLeft)
		})
	}
}
