//go:build unix

package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

type line struct {
	Instance, Output, Kind         string
	Pane, Points, Whitespace, Tail int
	Marks, Filled                  int
}

type chartState struct {
	Candles, Volume, Panes, Markers int
	Last                            struct{ Time, Open, High, Low, Close float64 }
	Lines                           []line
}

type pageState struct {
	State           string
	Shared, Leading bool
	Shown           struct{ Sym, Itv string }
	Bars            []bar
	View            struct {
		Precision int
		Hovered   *int64
		Chart     *chartState
	}
}

// inspect reads what the page holds and what the chart library holds.
func (p *tab) inspect() pageState {
	p.t.Helper()
	return eval[pageState](p, "klineDashboard.inspect()")
}

// scheme makes the page believe in a light or a dark system.
func (p *tab) scheme(name string) {
	p.t.Helper()
	p.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}

func TestChartIsDrawnAndMoves(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	state := p.inspect()
	chart := state.View.Chart
	if chart.Candles < 500 || chart.Volume != chart.Candles || chart.Candles != len(state.Bars) {
		t.Errorf("%d candles and %d volume bars of %d bars", chart.Candles, chart.Volume, len(state.Bars))
	}
	p.becomes(func() []string { return wrongIndicators(p.inspect().View.Chart) })
	p.becomes(func() []string { return missingPixels(p) })
	p.becomes(func() []string { return missingInLegend(p) })
	before := state.Bars[len(state.Bars)-1]
	p.until("the forming candle to move", func() bool {
		now := p.inspect()
		last := now.Bars[len(now.Bars)-1]
		return (last.T != before.T || last.V != before.V) && now.View.Chart.Last.Close == last.C
	})
}

// wrongIndicators wants every configured one with its plots, panes and dashed ends, and warm-up as whitespace or not at all.
func wrongIndicators(chart *chartState) (wrong []string) {
	if chart.Panes != 4 {
		wrong = append(wrong, fmt.Sprintf("%d panes instead of 4: price, volume, RSI, MACD", chart.Panes))
	}
	found := make(map[string]line)
	for _, l := range chart.Lines {
		found[l.Instance+" "+l.Output] = l
	}
	for _, want := range []struct {
		name, kind string
		overlay    bool
	}{
		{"sma(20) value", "line", true}, {"ema(20) value", "line", true}, {"rsi(14) value", "line", false},
		{"macd(12,26,9) macd", "line", false}, {"macd(12,26,9) signal", "line", false}, {"macd(12,26,9) hist", "histogram", false},
	} {
		l, ok := found[want.name]
		if !ok {
			wrong = append(wrong, want.name+" is not drawn")
			continue
		}
		if l.Kind != want.kind || (l.Pane == 0) != want.overlay || l.Points < 400 || l.Points+l.Tail/2 != chart.Candles {
			wrong = append(wrong, fmt.Sprintf("%s: %+v of %d candles", want.name, l, chart.Candles))
		}
		if want.kind == "line" && l.Tail == 0 {
			wrong = append(wrong, want.name+" has no provisional end")
		}
	}
	return wrong
}

// missingPixels counts the colours of rising and falling candles and of the overlays on the canvases of the price pane.
func missingPixels(p *tab) (missing []string) {
	p.t.Helper()
	count := eval[map[string]int](p, `(() => {
		const style = getComputedStyle(document.documentElement);
		const wanted = { up: style.getPropertyValue('--up').trim(), down: style.getPropertyValue('--down').trim(), sma: '#2962ff', ema: '#ff6d00' };
		const found = { up: 0, down: 0, sma: 0, ema: 0 };
		const canvas = [...document.querySelectorAll('#canvas canvas')].sort((a, b) => b.width * b.height - a.width * a.height)[0];
		const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
		const hex = (i) => '#' + [data[i], data[i + 1], data[i + 2]].map((x) => x.toString(16).padStart(2, '0')).join('');
		const byColor = new Map(Object.entries(wanted).map(([name, color]) => [color, name]));
		for (let i = 0; i < data.length; i += 4) { const name = byColor.get(hex(i)); if (name) found[name]++; }
		return found;
	})()`)
	for _, name := range []string{"up", "down", "sma", "ema"} {
		if count[name] < 100 {
			missing = append(missing, fmt.Sprintf("%d pixels of %s in the price pane: %v", count[name], name, count))
		}
	}
	return missing
}

func missingInLegend(p *tab) (missing []string) {
	p.t.Helper()
	text := eval[string](p, "document.getElementById('legends').innerText.replace(/\\s/g, '')") // gaps are the style's
	for _, part := range []string{"UTCO", "H", "L", "C", "SMA20", "EMA20", "RSI14", "MACD12269", "Signal", "Histogram", "Volume", "provisional"} {
		if !strings.Contains(text, part) {
			missing = append(missing, fmt.Sprintf("%q is not in the legend %q", part, text))
		}
	}
	return missing
}

func TestScrollingLeftReadsOlderPages(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	before := p.inspect().View.Chart.Candles
	p.do(chromedp.Focus(chromedp.CSS("#chart")), chromedp.KeyEvent(kb.Home))
	p.until("an older page", func() bool { return p.inspect().View.Chart.Candles > before })
	all := s.bars("BTCUSD", "1m", "limit=5000")
	p.until("the first bar", func() bool {
		p.do(chromedp.KeyEvent(kb.Home))
		return p.inspect().Bars[0].T == all[0].T
	})
	state := p.inspect()
	if !slices.IsSortedFunc(state.Bars, func(a, b bar) int { return int(a.T - b.T) }) {
		t.Error("the bars do not ascend")
	}
	// A line has no point in its warm-up, nor at the forming bar, where its
	// dashed end stands; the histogram has one there.
	want := map[string]int{"sma(20) value": 20, "ema(20) value": 20, "rsi(14) value": 15, "macd(12,26,9) macd": 34, "macd(12,26,9) signal": 34, "macd(12,26,9) hist": 33}
	p.becomes(func() (wrong []string) {
		chart := p.inspect().View.Chart
		for _, l := range chart.Lines {
			name := l.Instance + " " + l.Output
			if got := chart.Candles - l.Points; got != want[name] {
				wrong = append(wrong, fmt.Sprintf("%s has no point at %d of %d bars, want none at %d", name, got, chart.Candles, want[name]))
			}
		}
		return wrong
	})
}

func TestPageResumesAfterTheServerDied(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	p.allow("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "503")
	p.wait("the position of a closed bar", "klineDashboard.inspect().bars.length > 0")
	s.Kill9(s.host)
	p.wait("the loss to be said", "['reconnecting', 'stopped'].includes(klineDashboard.inspect().state)")
	p.becomes(func() []string { // between two countdowns it tries
		if text := eval[string](p, "document.getElementById('connection').innerText"); !strings.Contains(text, " s") || !strings.Contains(text, "Retry now") {
			return []string{fmt.Sprintf("the page says %q: no countdown, no way to retry", text)}
		}
		return nil
	})
	s.Restart()
	s.ready()
	p.live()
	compareWithREST(t, s, p)
}

// compareWithREST holds every closed bar on the page against the server, once the page has the newest one. A bar may be restated
// while they are read.
func compareWithREST(t *testing.T, s *site, p *tab) {
	t.Helper()
	p.becomes(func() (wrong []string) {
		have := make(map[int64]bar)
		for _, b := range p.inspect().Bars {
			have[b.T] = b
		}
		for _, w := range s.bars("BTCUSD", "1m", "limit=400&closed=1") {
			if have[w.T] != w {
				wrong = append(wrong, fmt.Sprintf("bar %s: the page has %+v, the server %+v", time.UnixMilli(w.T).UTC(), have[w.T], w))
			}
		}
		return wrong
	})
}

func TestPickersChangeTheChartAndTheAddress(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address+"/#BTCUSD@5m", 1280, 800)
	p.live()
	if got := p.inspect().Shown.Itv; got != "5m" {
		t.Errorf("the address says 5m, the page shows %s", got)
	}
	p.do(chromedp.Click(chromedp.CSS(`#intervals input[value="15m"]`)))
	p.wait("15m", "location.hash === '#BTCUSD@15m' && klineDashboard.inspect().bars[0]?.itv === '15m'")
	p.live()
	p.do(chromedp.NavigateBack())
	p.wait("5m again", "klineDashboard.inspect().bars[0]?.itv === '5m'")
	p.live()
	for i, b := range p.inspect().Bars {
		if b.T%300_000 != 0 {
			t.Errorf("bar %d of 5m begins at %d", i, b.T)
		}
	}
}

func TestPhoneNeedsNoSidewaysScrolling(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 360, 740)
	p.live()
	size := eval[struct{ Page, View, Chart, Height float64 }](p, `(() => {
		const box = document.getElementById('chart').getBoundingClientRect();
		return { page: document.documentElement.scrollWidth, view: innerWidth, chart: box.width, height: box.height };
	})()`)
	if size.Page > size.View || size.View != 360 || size.Chart < 320 || size.Height < 300 {
		t.Errorf("sizes: %+v", size)
	}
	wide := eval[[]string](p, `[...document.querySelectorAll('header > *, main > *, footer *, .legend, .legend .item')].filter((e) => e.getClientRects().length && !e.classList.contains('hidden') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + '#' + e.id + '.' + e.className)`)
	if len(wide) > 0 {
		t.Errorf("beyond the right edge: %q", wide)
	}
}

// A phone that is turned gives the panes other places at once, and the legends with them.
func TestLegendsStayWithTheirPanes(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 740, 1000)
	p.live()
	for _, height := range []int64{1000, 560, 1000} {
		p.do(chromedp.EmulateViewport(740, height))
		p.becomes(func() []string {
			return eval[[]string](p, `(() => {
				const legends = [...document.querySelectorAll('.legend')];
				const panes = [...document.querySelectorAll('#chart tr')].filter((row) => row.querySelector('canvas') && row.getBoundingClientRect().height > 20);
				if (legends.length !== 4 || panes.length < 4) return [legends.length + ' legends, ' + panes.length + ' panes'];
				return legends.map((legend, i) => Math.round(legend.getBoundingClientRect().top - panes[i].getBoundingClientRect().top))
					.flatMap((away, i) => (Math.abs(away) > 20 ? [innerHeight + ' high: legend ' + i + ' is ' + away + ' away from its pane'] : []));
			})()`)
		})
	}
}

func TestKeyboardReachesEverything(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	focused := "(document.activeElement.id || document.activeElement.name || document.activeElement.getAttribute('href') || document.activeElement.tagName)"
	var order []string
	for range 5 {
		p.do(chromedp.KeyEvent(kb.Tab))
		order = append(order, eval[string](p, focused))
	}
	if want := []string{"#chart", "symbol", "interval", "open-panel", "chart"}; !slices.Equal(order, want) {
		t.Errorf("focus goes %q, want %q", order, want)
	}
	before := p.inspect()
	p.do(chromedp.Focus(chromedp.CSS("#chart")), chromedp.KeyEvent(kb.ArrowLeft))
	first := p.inspect()
	newest := func(state pageState) int64 { return state.Bars[len(state.Bars)-1].T } // a minute may begin meanwhile
	if h := first.View.Hovered; h == nil || *h < newest(before) || *h > newest(first) {
		t.Fatalf("the first arrow does not go to the newest bar: %v", first.View.Hovered)
	}
	p.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	second := p.inspect()
	at := time.UnixMilli(*second.View.Hovered).UTC().Format("2006-01-02 15:04:05")
	spoken := ""
	p.until("the bar to be spoken", func() bool {
		spoken = eval[string](p, "document.getElementById('spoken').textContent")
		return strings.HasPrefix(spoken, at)
	})
	if *second.View.Hovered >= *first.View.Hovered || !strings.HasPrefix(spoken, at) || !strings.Contains(spoken, "RSI 14 ") {
		t.Errorf("from %d to %d, spoken %q", *first.View.Hovered, *second.View.Hovered, spoken)
	}
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait("no bar chosen", "klineDashboard.inspect().view.hovered === null")
}

func TestSixTabsShareOneStream(t *testing.T) {
	s := startSite(t)
	b := browser(t)
	var tabs []*tab
	for i, itv := range []string{"1m", "5m", "1m", "1s", "15m", "1h"} {
		p := openTab(t, b, fmt.Sprintf("%s/#BTCUSD@%s", s.address, itv), 900, 600)
		p.do(command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
		p.live()
		if state := p.inspect(); !state.Shared || state.Leading != (i == 0) {
			t.Errorf("tab %d: shared %t, leading %t", i, state.Shared, state.Leading)
		}
		tabs = append(tabs, p)
	}
	s.streams(1)
	before := tabs[3].inspect()
	tabs[3].until("bars of a tab that does not lead to move", func() bool {
		now := tabs[3].inspect()
		return now.Bars[len(now.Bars)-1] != before.Bars[len(before.Bars)-1]
	})
	// The tab that held the stream goes; another one has to take over.
	tabs[0].do(chromedp.Navigate("about:blank"))
	tabs[2].until("a new leader", func() bool {
		return slices.ContainsFunc(tabs[1:], func(p *tab) bool { return p.inspect().Leading })
	})
	tabs[2].live()
	compareWithREST(t, s, tabs[2])
	s.streams(1)
}

func TestColoursFollowTheSystemAndHaveContrast(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 1280, 800)
	p.live()
	var surfaces []string
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		low := eval[[]string](p, contrast)
		if len(low) > 0 {
			t.Errorf("%s: contrast below 4.5: %q", scheme, low)
		}
		surfaces = append(surfaces, eval[string](p, "getComputedStyle(document.body).backgroundColor"))
	}
	if surfaces[0] == surfaces[1] {
		t.Errorf("both themes have the background %s", surfaces[0])
	}
}

// contrast lists the texts of the page whose colour has too little contrast to the nearest background, by the formula of WCAG 2.
const contrast = `(() => {
	const rgb = (text) => text.match(/[\d.]+/g).map(Number);
	const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
	const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
	const background = (e) => {
		for (; e; e = e.parentElement) {
			const text = getComputedStyle(e).backgroundColor;
			const c = rgb(text);
			if (text.startsWith('rgb') && (c.length === 3 || c[3] === 1)) return c;
		}
		return [255, 255, 255];
	};
	const low = [];
	for (const e of document.querySelectorAll('body *')) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.getClientRects().length) continue;
		const [a, b] = [luminance(rgb(getComputedStyle(e).color)), luminance(background(e))].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) low.push(e.className + ' ' + e.textContent + ' ' + ((a + 0.05) / (b + 0.05)).toFixed(2));
	}
	return low;
})()`

// A page below a path of the site asks for nothing outside of it, and shares its
// stream with no page of another path.
func TestPageBelowAPathStaysThere(t *testing.T) {
	s := startSample(t, "Caddyfile", [2]string{"\thandle /v1/stream {\n", "\tredir /charts /charts/\n\thandle_path /charts/* {\n\t\tklines\n\t\tkline_stream\n\t\tkline_dashboard\n\t}\n\thandle /v1/stream {\n"})
	b := browser(t)
	below, top := openTab(t, b, s.address+"/charts", 1280, 800), openTab(t, b, s.address, 1280, 800)
	below.live()
	top.live()
	for _, p := range []*tab{below, top} {
		if state := p.inspect(); state.Shared && !state.Leading {
			t.Error("the pages share a stream")
		}
	}
	for _, name := range eval[[]string](below, "performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:'))") {
		if !strings.HasPrefix(name, s.address+"/charts/") {
			t.Errorf("the page asked for %s", name)
		}
	}
	var list []struct{ Links map[string]string }
	s.get("/charts/v1/indicators", &list)
	var manifest struct{ Name string }
	if s.get(list[0].Links["manifest"], &manifest); manifest.Name == "" || !strings.HasPrefix(list[0].Links["manifest"], "/charts/v1/") {
		t.Errorf("%v leads to %+v", list[0].Links, manifest)
	}
}
