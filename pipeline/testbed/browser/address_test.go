//go:build unix

package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What names nothing in the address, the target of the skip link above all, must
// not throw away symbol, interval and indicators.
func TestSkipLinkAndMistypedAddressLeaveTheChart(t *testing.T) {
	s := startSite(t)
	const hash = "#BTCUSD@5m:sma(7)"
	p := openTab(t, browser(t), s.address+"/"+hash, 1280, 800)
	p.live()
	series := eval[string](p, "(globalThis.before = document.querySelector('#canvas').firstElementChild, location.hash)")
	same := func(what string) {
		t.Helper()
		p.wait(what, "location.hash === '"+hash+"' && klineDashboard.inspect().shown.itv === '5m' && klineDashboard.inspect().instances.join() === 'sma(7)'")
		if !eval[bool](p, "globalThis.before === document.querySelector('#canvas').firstElementChild") {
			t.Errorf("%s: the chart was made anew", what)
		}
	}
	if series != hash {
		t.Fatalf("the address is %s", series)
	}
	p.do(chromedp.Focus(chromedp.CSS(".skip")), chromedp.KeyEvent(kb.Enter))
	p.wait("the focus on the chart", "document.activeElement.id === 'chart'")
	same("after the skip link")
	for _, typed := range []string{"#chart", "#", "#BTC@", "#%"} {
		eval[bool](p, "(location.hash = '"+typed+"', true)")
		same("after " + typed)
	}
}
