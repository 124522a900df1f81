//go:build unix

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// set writes into a field or chooses an option, and tells the page as a user's hand does.
func (p *tab) set(id, value string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => {
		const e = document.getElementById(%q);
		e.value = %q;
		e.dispatchEvent(new Event('input', { bubbles: true }));
		e.dispatchEvent(new Event('change', { bubbles: true }));
		return true;
	})()`, id, value))
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// instances are the indicators on the chart.
func (p *tab) instances() []string {
	p.t.Helper()
	return eval[[]string](p, "klineDashboard.inspect().instances")
}

// lines wants a line of an instance with history and, while its bar forms, a dashed end.
func (p *tab) lines(instance string, least int) line {
	p.t.Helper()
	var found line
	p.until("a line of "+instance, func() bool {
		chart := p.inspect().View.Chart
		if chart == nil {
			return false
		}
		i := slices.IndexFunc(chart.Lines, func(l line) bool { return l.Instance == instance && l.Points >= least && l.Tail > 0 })
		if i >= 0 {
			found = chart.Lines[i]
		}
		return i >= 0
	})
	return found
}

// choose opens the panel and waits for the form of an indicator.
func (p *tab) choose(path, field string) {
	p.t.Helper()
	if eval[bool](p, "document.getElementById('panel').hidden") {
		p.click("#open-panel")
	}
	p.wait("the list of indicators", fmt.Sprintf("[...document.getElementById('indicator').options].some((o) => o.value === %q)", path))
	p.set("indicator", path)
	p.wait("its form", fmt.Sprintf("document.getElementById('param-%s')", field))
}

func TestIndicatorIsOnTheChartWithoutReload(t *testing.T) {
	s := startSite(t)
	b := browser(t)
	p := openTab(t, b, s.address, 1280, 800)
	p.live()
	eval[int](p, "globalThis.sameDocument = 1")
	before := p.inspect().View.Chart
	p.choose("sma", "period")
	p.set("param-period", "33")
	p.click("#add")
	if l := p.lines("sma(33)", 400); l.Pane != 0 {
		t.Errorf("sma(33) is in pane %d, its manifest says overlay", l.Pane)
	}
	p.live()
	p.set("indicator", "rsi")
	p.wait("the form of rsi", "document.getElementById('param-of-source') && document.getElementById('param-period').value === '14'")
	source := eval[string](p, "[...document.getElementById('param-of-source').options].find((o) => o.text === 'ema(20)').value")
	p.set("param-of-source", source)
	p.click("#add")
	if l := p.lines("rsi(14,src=ema(20))", 400); l.Pane <= 1 {
		t.Errorf("rsi is in pane %d, its manifest says one of its own", l.Pane)
	}
	p.live()
	if eval[int](p, "globalThis.sameDocument ?? 0") != 1 {
		t.Error("the page was loaded anew")
	}
	if now := p.inspect().View.Chart; now.Candles < before.Candles || now.Panes != before.Panes+1 {
		t.Errorf("%d candles and %d panes became %d and %d", before.Candles, before.Panes, now.Candles, now.Panes)
	}
	want := []string{"sma(20)", "ema(20)", "sma(33)", "rsi(14)", "macd(12,26,9)", "rsi(14,src=ema(20))"}
	if got := p.instances(); !slices.Equal(got, want) {
		t.Errorf("on the chart are %q, want %q", got, want)
	}
	other := openTab(t, b, eval[string](p, "location.href"), 1280, 800)
	other.live()
	if got := other.instances(); !slices.Equal(got, want) {
		t.Errorf("the link shows %q, want %q", got, want)
	}
	compareWithREST(t, s, other)
	p.click(`#shown button[aria-label="Remove SMA 33"]`)
	p.wait("the line to go", "!klineDashboard.inspect().view.chart.lines.some((l) => l.instance === 'sma(33)')")
	p.click("#standard")
	p.wait("the standard set", "location.hash === '#BTCUSD@1m' && klineDashboard.inspect().instances.length === 4")
	p.do(chromedp.NavigateBack())
	p.wait("the set before", "klineDashboard.inspect().instances.includes('rsi(14,src=ema(20))')")
}

func TestParametersThatAreNotAllowedAreNeverSent(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address+"/#BTCUSD@1m:sma(20),sma(0),nix(3),ema(x),sma(33,src=open)", 1280, 800)
	p.live()
	if got, want := p.instances(), []string{"sma(20)", "sma(33,src=open)"}; !slices.Equal(got, want) {
		t.Errorf("the link shows %q, want %q", got, want)
	}
	if said := eval[string](p, "document.getElementById('message').textContent"); !strings.Contains(said, "sma(0)") || !strings.Contains(said, "nix(3)") || !strings.Contains(said, "ema(x)") {
		t.Errorf("the page says %q about what it left out", said)
	}
	eval[bool](p, `(() => { globalThis.asked = []; const { fetch } = globalThis; globalThis.fetch = (...all) => { asked.push(decodeURIComponent(all[0])); return fetch(...all); }; return true; })()`)
	p.choose("sma", "period")
	for _, bad := range []string{"0", "5001", "2.5", "", "-3", "1e9"} {
		p.set("param-period", bad)
		p.click("#add")
		if state := eval[[]string](p, "[document.getElementById('param-period').getAttribute('aria-invalid'), document.getElementById('param-period-fault').textContent, document.activeElement.id]"); state[0] != "true" || state[1] == "" || state[2] != "param-period" {
			t.Errorf("a period of %q: invalid, fault, focus are %q", bad, state)
		}
	}
	// What it asks for all the time, the symbols and what is on the chart, it may ask for.
	if sent := eval[[]string](p, "asked.filter((u) => u.replaceAll('sma(20)', '').replaceAll('sma(33,src=open)', '').includes('sma('))"); len(sent) > 0 {
		t.Errorf("the page asked %q", sent)
	}
	p.set("param-period", "7")
	p.do(chromedp.Focus(chromedp.CSS("#param-period")), chromedp.KeyEvent(kb.Enter))
	p.lines("sma(7)", 400)
}

func TestPanelIsReachedByKeyboard(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	p.do(chromedp.Focus(chromedp.CSS("#open-panel")), chromedp.KeyEvent(kb.Enter))
	p.wait("the panel", "document.activeElement.id === 'panel' && document.getElementById('param-period')")
	var order []string
	for range 8 {
		p.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, eval[string](p, "(document.activeElement.id || document.activeElement.getAttribute('aria-label'))"))
	}
	want := []string{"close-panel", "Remove SMA 20", "Remove EMA 20", "Remove RSI 14", "Remove MACD 12 26 9", "indicator", "param-period", "param-of-source"}
	if !slices.Equal(order, want) {
		t.Errorf("focus goes %q, want %q", order, want)
	}
	unnamed := eval[[]string](p, `[...document.querySelectorAll('#panel input, #panel select, #panel button')].filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		if low := eval[[]string](p, contrast); len(low) > 0 {
			t.Errorf("%s: contrast below 4.5: %q", scheme, low)
		}
	}
	p.do(chromedp.KeyEvent(kb.Escape))
	if state := eval[[]string](p, "[String(document.getElementById('panel').hidden), document.activeElement.id]"); !slices.Equal(state, []string{"true", "open-panel"}) {
		t.Errorf("after Escape the panel is hidden and the focus on its button: %q", state)
	}
}
