//go:build unix

package browser

import (
	"strings"
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

// A link may name a symbol beyond the end of the list, or one whose first trade
// is still to come.
func TestSymbolWithoutTradesIsShownAsAskedFor(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address+"/#NEW%2FUSD@5m", 1280, 800)
	p.wait("words about the symbol", "document.getElementById('message').textContent.startsWith('No trades of NEW/USD have been seen yet')")
	p.wait("a stream", "klineDashboard.inspect().state === 'live'")
	if got := eval[string](p, "location.hash+' '+document.getElementById('symbol').value+' '+document.querySelector('#intervals input:checked').value"); got != "#NEW%2FUSD@5m NEW/USD 5m" {
		t.Errorf("the page shows %q", got)
	}
	p.set("symbol", "BTCUSD")
	p.live()
	if text := eval[string](p, "document.getElementById('message').textContent+location.hash"); strings.Contains(text, "trades") || text != "#BTCUSD@5m" {
		t.Errorf("the page says %q", text)
	}
}

// A link of another server may name an interval, or an indicator, that this one does
// not show. What is shown instead is not what was asked for, so the page says so.
func TestPageSaysWhatOfAnAddressItDoesNotShow(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address+"/#BTCUSD@7m:sma(7),SMA(20)", 1280, 800)
	p.live()
	want := "There are no bars of 7m here: 1m is shown. Left out: SMA(20): not how an indicator is written."
	if text := eval[string](p, "document.getElementById('message').textContent"); text != want {
		t.Errorf("the page says %q, want %q", text, want)
	}
	if hash := eval[string](p, "location.hash"); hash != "#BTCUSD@1m:sma(7)" {
		t.Errorf("the address is %s", hash)
	}
	eval[bool](p, "(location.hash = '#BTCUSD@5m:sma(7)', true)")
	p.wait("silence about the address of before", "klineDashboard.inspect().shown.itv === '5m' && document.getElementById('message').hidden")
}
