package registry

import (
	"context"
	"io"
	"testing"
)

// readerFunc is a body.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// stop is a kill by another process.
func (d *disk) stop(t *testing.T, k Kill) {
	t.Helper()
	if err := newBed(d).Stop(context.Background(), k); err != nil {
		t.Error(err)
	}
}

// A slow body takes minutes, in which the operator may have stopped the module.
func TestWhatIsStoppedWhileItsBodyComesIsNotExamined(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	u := upload("ann", "mine", module("mine", "1.0.0", ""))
	body, first := u.Body, true
	u.Body = readerFunc(func(p []byte) (int, error) {
		if first {
			first = false
			d.stop(t, Kill{Scope: ScopeTenant, Name: "default"})
		}
		return body.Read(p)
	})
	b.put(t, u, "stopped")
	if b.vets != 0 {
		t.Errorf("the module was run %d times", b.vets)
	}
}

// So do the modules that are examined before it.
func TestWhatIsStoppedWhileItWaitsIsNotExamined(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	came, ended := make(chan struct{}), make(chan error, 1)
	u := upload("bob", "other", module("other", "1.0.0", ""))
	body := u.Body
	u.Body = readerFunc(func(p []byte) (int, error) {
		n, err := body.Read(p)
		if err == io.EOF {
			close(came)
		}
		return n, err
	})
	b.cfg.Vet = func(ctx context.Context, wasm, previous []byte) (*Report, error) {
		if b.vets == 0 { // the other one cannot be examined before this one was
			go func() {
				_, err := b.Upload(context.Background(), u)
				ended <- err
			}()
			<-came
			d.stop(t, Kill{Scope: ScopeModule, Name: "other"})
		}
		return b.vet(ctx, wasm, previous)
	}
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
	if err := <-ended; reasonOf(err) != Stopped || b.vets != 1 {
		t.Errorf("%v, %d modules were run", err, b.vets)
	}
}

// A node looks for kills each second; what it finds ends the examination at once.
func TestAKillEndsTheExaminationUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		kill Kill
		want string
	}{
		"the module":     {Kill{Scope: ScopeModule, Name: "mine"}, "stopped"},
		"its tenant":     {Kill{Scope: ScopeTenant, Name: "default"}, "stopped"},
		"all":            {Kill{Scope: ScopeAll}, "stopped"},
		"another module": {Kill{Scope: ScopeModule, Name: "other"}, "created"},
	} {
		d := newDisk()
		b := newBed(d)
		b.cfg.Vet = func(ctx context.Context, wasm, previous []byte) (*Report, error) {
			d.stop(t, c.kill)
			if _, err := b.Kills(t.Context()); err != nil {
				t.Error(err)
			}
			if (ctx.Err() != nil) != (c.want == "stopped") {
				t.Errorf("%s: the examination has %v", name, ctx.Err())
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return b.vet(ctx, wasm, previous)
		}
		b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), c.want)
		if _, err := b.Kills(t.Context()); err != nil { // nothing is examined any more
			t.Error(err)
		}
	}
}
