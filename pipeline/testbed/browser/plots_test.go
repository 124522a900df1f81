//go:build unix

package browser

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// drawing is a module written by hand, up to its data: a time in ms, 8 bytes, and
// the manifest. Its one indicator has four outputs, the high, the low, the close
// less the open, and the low of every third minute; it traps on bars that open
// within ten minutes of that time.
const drawing = `
	AGFzbQEAAAABHwZgAABgAAF/YAABfmABfwF/YAJ/fwF/YAR/f39/AX8DCQgAAQIDAwQFBAUDAQAEBggBfwFBgIAICwdyCQtfaW5pdGlhbGl6ZQAABmtsX2FiaQABC2tsX2Rl
	c2NyaWJlAAIIa2xfYWxsb2MAAw1rbF9zdGF0ZV9zaXplAAQHa2xfaW5pdAAFCWtsX3VwZGF0ZQAGD2tsX3VwZGF0ZV9iYXRjaAAHBm1lbW9yeQIADAEBCvwCCAIACwYAQYCA
	BAsKAEKgn4CAgIABC0MBAX8jACAAakH//wNqQRB2PwBKBEAjACAAakH//wNqQRB2PwBrQABBf0YEQEEADwsLIwAiASAAakEPakFwcSQAIAELGgAgACgAAARAQX8PCyAAKAAE
	BEBBfg8LQRALNgAgACgAAARAQX8PCyAAKAAEBEBBfg8LIAFEAAAAAAAAAAA5AAAgAUQAAAAAAAAAADkACEEAC1wAIAIpAABB+AcpAAB9QsDPJFQEQAALIAMgAisAEDkAACAD
	IAIrABg5AAggAyACKwAgIAIrAAihOQAQIAMgAisAGEQAAAAAAAD4fyACKQAAQqD+CoFQGzkAGEEBC3IBA38gACABQSBsaiECAkADQCAAIAJPDQFBACEDAkADQCADIAAoAAxP
	DQEgACAAKAAAIAAoAAQgACgACCADIAAoABBsaiAAKAAUIAMgACgAGGxqEAYiBDYAHCADQQFqIQMMAAsLIABBIGohAAwACwtBAAsLsB8BAEH4BwuoHw==`

// shapes is the module with what is drawn of its outputs, and the time at which
// it begins to trap.
func shapes(t *testing.T, name, pane string, traps time.Time, plots [4]string) []byte {
	t.Helper()
	wasm, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(drawing), ""))
	manifest := fmt.Sprintf(`{"abi":1,"name":%q,"version":"1.0.0","indicators":[{"id":0,"name":"shapes","title":"Shapes","short":"Shapes","pane":%q,"params":[],"outputs":[
	 {"name":"upper",%s},{"name":"lower",%s},{"name":"body",%s},{"name":"mark",%s}]}]}`, name, pane, plots[0], plots[1], plots[2], plots[3])
	if err != nil || len(manifest) > manifestSize {
		t.Fatalf("building a module with a manifest of %d bytes: %v", len(manifest), err)
	}
	wasm = binary.LittleEndian.AppendUint64(wasm, uint64(traps.UnixMilli())) // #nosec G115 -- after 1970
	return append(wasm, manifest+strings.Repeat(" ", manifestSize-len(manifest))...)
}

// What the tests draw of the four outputs.
const (
	noPlot  = `"plot":"none"`
	upper   = `"plot":"band","fill_to":"lower","color":"#00ffff"`
	lower   = `"plot":"band","color":"#00ffff"`
	columns = `"plot":"columns","color":"#00aa00","color_neg":"#aa0000"`
	marker  = `"plot":"marker","color":"#ff00ff"`
)

func (p *tab) plot(output string) line {
	p.t.Helper()
	chart := p.inspect().View.Chart
	i := slices.IndexFunc(chart.Lines, func(l line) bool { return l.Output == output })
	if i < 0 {
		p.t.Fatalf("nothing is drawn of %s: %+v", output, chart.Lines)
	}
	return chart.Lines[i]
}

// Bands, columns and markers of a manifest are drawn as what they are.
func TestBandsColumnsAndMarkersAreDrawn(t *testing.T) {
	t.Parallel() // with the other one of this file
	s := startUploads(t)
	never := time.Now().AddDate(1, 0, 0)
	s.upload("own-band", shapes(t, "own-band", "overlay", never, [4]string{upper, lower, noPlot, marker}))
	s.upload("own-body", shapes(t, "own-body", "separate", never, [4]string{noPlot, noPlot, columns, noPlot}))
	p := openTab(t, browser(t), s.address+"/#BTCUSD@1m:own-band/shapes,own-body/shapes", 1280, 860)
	p.scheme("light")
	p.live()
	p.wait("the band", "klineDashboard.inspect().view.chart.lines.find((l) => l.output === 'upper')?.filled > 100")
	p.wait("the columns", "klineDashboard.inspect().view.chart.lines.find((l) => l.output === 'body')?.points >= 400")
	if l := p.plot("body"); l.Kind != "columns" || l.Points < 400 || l.Tail != 0 {
		t.Errorf("columns are drawn as %+v", l)
	}
	if l := p.plot("upper"); l.Kind != "band" || l.Points < 400 {
		t.Errorf("the band is drawn as %+v", l)
	}
	bars := s.bars("BTCUSD", "1m", "limit=1000")
	want := 0
	for _, b := range bars {
		if b.T%180_000 == 0 {
			want++
		}
	}
	if l := p.plot("mark"); l.Kind != "marker" || l.Marks < want-1 || l.Marks > want+1 || l.Points != l.Marks {
		t.Errorf("markers are drawn as %+v, want %d", l, want)
	}
	if lower := p.plot("lower"); lower.Filled != 0 {
		t.Errorf("the band is filled twice: %+v", lower)
	}
	picture := p.picture(map[string][3]uint32{"the area of the band": {0xdb, 0xff, 0xff}, "a marker": {0xff, 0x00, 0xff}})
	if file := os.Getenv("KLINE_SCREENSHOT"); file != "" {
		if err := os.WriteFile(strings.TrimSuffix(file, ".png")+"-plots.png", picture, 0o644); err != nil { // #nosec G306 -- a picture for everybody
			t.Fatal(err)
		}
	}
}

// picture takes one that has pixels of each colour.
func (p *tab) picture(want map[string][3]uint32) (picture []byte) {
	p.t.Helper()
	p.becomes(func() []string {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		var err error
		if picture, err = chromedp.Run(ctx, chromedp.CaptureScreenshot()); err != nil {
			p.t.Fatalf("taking the picture: %v", err)
		}
		return p.lacks(picture, want)
	})
	return picture
}

func (p *tab) lacks(picture []byte, want map[string][3]uint32) (missing []string) {
	p.t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		p.t.Fatalf("reading the picture: %v", err)
	}
	counted := map[[3]uint32]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			counted[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	for name, c := range want {
		if counted[c] < 80 {
			missing = append(missing, fmt.Sprintf("%d pixels of %s are in the picture", counted[c], name))
		}
	}
	return missing
}

// A module that begins to fail is taken out of service, and the page says so where
// its values stood, at once and after a reload.
func TestFaultsAreSaidInWords(t *testing.T) {
	t.Parallel()
	s := startUploads(t)
	s.upload("own-shapes", shapes(t, "own-shapes", "overlay", time.Now().Add(6*time.Second), [4]string{upper, lower, noPlot, marker}))
	p := openTab(t, browser(t), s.address+"/#BTCUSD@1s:own-shapes/shapes", 1280, 860)
	p.allow("404") // an indicator that is gone is refused
	p.live()
	words := func() string {
		return eval[string](p, "[...document.querySelectorAll('.state.bad')].map((e) => e.textContent).join() + document.getElementById('message').textContent")
	}
	p.until("words about the faults", func() bool {
		said := words()
		return strings.Contains(said, "failed: no values") || strings.Contains(said, "quarantine")
	})
	p.until("words about the quarantine", func() bool { return strings.Contains(words(), "quarantine") })
	t.Logf("the page says %q", words())
	p.do(chromedp.Navigate(fmt.Sprintf("%s/?again#BTCUSD@1s:sma(20),own-shapes/shapes", s.address)))
	p.live()
	p.says("message", "own-shapes/shapes")
}
