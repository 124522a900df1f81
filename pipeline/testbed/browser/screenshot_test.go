//go:build unix

package browser

import (
	"os"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestScreenshotShowsTheChart takes the picture of the README and looks at it.
// KLINE_SCREENSHOT names the file to write; each run has other candles in it,
// so a plain test run leaves the committed one alone.
func TestScreenshotShowsTheChart(t *testing.T) {
	s := startUploads(t)
	s.upload("own-volume", module(t, `{"abi":1,"name":"own-volume","version":"1.0.0","indicators":[{"id":0,"name":"total","title":"Own: total volume","short":"own-volume/total","input":"src",
	 "warmup":2147483647,"params":[{"name":"period","type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value","color":"#8e24aa"}]}]}`))
	p := openTab(t, browser(t), s.address+"/#BTCUSD@1m:sma(20),ema(20),rsi(14),macd(12,26,9),own-volume/total(20,src=volume)", 1280, 860)
	p.scheme("light")
	p.live()
	p.wait("indicators", "klineDashboard.inspect().view.chart.lines.length >= 7")
	p.do(command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	picture := p.picture(map[string][3]uint32{"sma(20)": {0x29, 0x62, 0xff}, "ema(20)": {0xff, 0x6d, 0x00}, "an indicator of a user": {0x8e, 0x24, 0xaa}})
	if file := os.Getenv("KLINE_SCREENSHOT"); file != "" {
		if err := os.WriteFile(file, picture, 0o644); err != nil { // #nosec G306 -- a picture for everybody
			t.Fatal(err)
		}
	}
}
