package caddymodule

import (
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// Writing a default out, or removing it, asked for a restart that changes nothing.
func TestAViewThatIsWrittenOutIsTheDefault(t *testing.T) {
	short, long := &attachment{view: (&App{}).viewLimits()}, &attachment{view: (&App{ViewBars: serve.DefaultViewBars, ViewMemory: serve.DefaultViewMemory}).viewLimits()}
	if short.view != long.view {
		t.Errorf("%+v is not %+v", long.view, short.view)
	}
	if (&App{ViewBars: 5}).viewLimits() == short.view {
		t.Error("another number is told as none")
	}
}
