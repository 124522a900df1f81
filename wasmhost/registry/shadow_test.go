package registry

import (
	"fmt"
	"strings"
	"testing"
)

// A module has one shadow run, beside the version that is active. Whatever ends
// that comparison ends the run: nobody looks after it any more, and a version in its
// run can neither be deleted nor does it cost nothing.
func TestAShadowRunEndsWithWhatItIsComparedWith(t *testing.T) {
	type step func(b *bed) error
	shadow := func(v string) step {
		return func(b *bed) error { return b.SetState(t.Context(), "mine", v, Shadow, nil) }
	}
	turn := func(v, expect string) step {
		return func(b *bed) error {
			_, err := b.Activate(t.Context(), Switch{Module: "mine", Version: v, Expect: expect})
			return err
		}
	}
	staged := func(v string) step {
		return func(b *bed) error { return b.SetState(t.Context(), "mine", v, Staged, nil) }
	}
	fault := func(v string) step { // takes a version out, and brings the first one back
		return func(b *bed) error {
			_, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0", Expect: v, Old: Quarantined})
			return err
		}
	}
	end := func(b *bed) error { _, err := b.Deactivate(t.Context(), "mine", "", Retired); return err }
	for name, c := range map[string]struct {
		steps []step
		want  string
	}{
		"it becomes active":               {[]step{shadow("1.1.0"), turn("1.1.0", "1.0.0")}, "retired active staged"},
		"another one is asked for":        {[]step{shadow("1.1.0"), shadow("2.0.0")}, "active staged shadow"},
		"one that was active before":      {[]step{turn("1.1.0", ""), shadow("1.0.0"), shadow("2.0.0")}, "retired active shadow"},
		"another one is activated":        {[]step{shadow("1.1.0"), turn("2.0.0", "")}, "retired staged active"},
		"a rollback":                      {[]step{turn("1.1.0", ""), shadow("2.0.0"), turn("1.0.0", "1.1.0")}, "active retired staged"},
		"the active one is asked for":     {[]step{shadow("1.1.0"), turn("1.0.0", "")}, "active shadow staged"},
		"the module ends":                 {[]step{shadow("1.1.0"), end}, "retired staged staged"},
		"the module has ended before":     {[]step{end, shadow("1.1.0"), end}, "retired staged staged"},
		"it fails":                        {[]step{shadow("1.1.0"), staged("1.1.0")}, "active staged staged"},
		"a quarantined one fails":         {[]step{turn("1.1.0", ""), fault("1.1.0"), shadow("1.1.0"), staged("1.1.0")}, "active quarantined staged"},
		"a quarantined one is ended":      {[]step{turn("1.1.0", ""), fault("1.1.0"), shadow("1.1.0"), shadow("2.0.0")}, "active quarantined shadow"},
		"a quarantined one is better":     {[]step{turn("1.1.0", ""), fault("1.1.0"), shadow("1.1.0"), turn("1.1.0", "")}, "retired active staged"},
		"two nodes, the other was faster": {[]step{turn("1.1.0", ""), shadow("1.1.0")}, "retired active staged"},
		"a run that has ended fails":      {[]step{shadow("1.1.0"), turn("1.1.0", ""), staged("1.1.0")}, "retired active staged"},
	} {
		b := threeVersions(t, newDisk())
		for i, f := range append([]step{turn("1.0.0", "")}, c.steps...) {
			if err := f(b); err != nil {
				t.Errorf("%s: step %d: %v", name, i, err)
			}
		}
		var got []string
		for _, r := range b.list(t) {
			got = append(got, fmt.Sprint(r.State))
			if err := b.Delete(t.Context(), "mine", r.Version); (err == nil) == (r.State == Active || r.State == Shadow) {
				t.Errorf("%s: deleting %s, which is %s: %v", name, r.Version, r.State, err)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: states %v, want %s", name, got, c.want)
		}
	}
}
