//go:build unix

package browser

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// signIn opens the panel and signs ann in.
func (p *tab) signIn(password string) {
	p.t.Helper()
	if eval[bool](p, "document.getElementById('panel').hidden") {
		p.click("#open-panel")
	}
	p.wait("the form to sign in", "document.getElementById('sign-in').checkVisibility()")
	p.set("name", "ann")
	p.set("password", password)
	p.do(chromedp.Focus(chromedp.CSS("#password")), chromedp.KeyEvent(kb.Enter))
}

func (p *tab) signedIn() {
	p.t.Helper()
	p.signIn("change-me")
	p.wait("ann to be welcome", "document.getElementById('who').textContent === 'You are ann, author and publisher.'")
}

// file puts a file into the form, by hand or by dropping it there.
func (p *tab) file(name string, wasm []byte, drop bool) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`((name, text, drop) => {
		const dataTransfer = new DataTransfer();
		dataTransfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
		const form = document.getElementById('upload'), input = document.getElementById('file');
		if (drop) {
			for (const type of ['dragover', 'drop']) form.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
		} else {
			input.files = dataTransfer.files;
			input.dispatchEvent(new Event('change', { bubbles: true }));
		}
		return true;
	})(%q, %q, %t)`, name, base64.StdEncoding.EncodeToString(wasm), drop))
}

// says waits until an element has a text in it.
func (p *tab) says(id, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("%q in #%s", text, id), fmt.Sprintf("document.getElementById(%q).textContent.includes(%q)", id, text))
}

func TestOwnIndicatorGoesFromUploadToALine(t *testing.T) {
	s := startUploads(t)
	p := openTab(t, browser(t), s.address+"/#BTCUSD@1s", 1280, 900)
	p.allow("401") // the page has to ask once to learn that it must sign in
	p.live()
	eval[int](p, "globalThis.sameDocument = 1")
	p.signIn("wrong")
	p.says("sign-in-word", "not right")
	p.signedIn()
	p.file("my-own-1.0.0.wasm", module(t, plain("my-own", "1.0.0")), true)
	if got := eval[string](p, "document.getElementById('module').value"); got != "my-own" {
		t.Errorf("the form takes the module name %q out of the name of the file", got)
	}
	p.click("#send")
	p.says("upload-word", "my-own 1.0.0 is stored and active.")
	p.click("#offers button")
	first := p.lines("my-own/my_sum(20)", 400)
	if first.Pane <= 1 {
		t.Errorf("the line is in pane %d", first.Pane)
	}
	p.says("own-word", "my-own/my_sum(20) is on the chart.")
	p.live()
	p.choose("my-own/my_sum", "period")
	p.set("param-period", "7")
	p.click("#add")
	p.lines("my-own/my_sum(7)", 400)

	// The next version takes over under the open chart, and the chart says so.
	p.file("my-own-1.0.1.wasm", module(t, plain("my-own", "1.0.1")), false)
	p.click("#activate")
	p.click("#send")
	p.says("upload-word", "my-own 1.0.1 is stored and staged.")
	p.wait("the button", "document.querySelector('[aria-label=\"Activate my-own 1.0.1\"]')")
	p.click(`[aria-label="Activate my-own 1.0.1"]`)
	p.says("versions", "Shadow run of 1.0.1")
	p.wait("the button", "document.querySelector('[aria-label=\"Activate my-own 1.0.1 now\"]')")
	p.click(`[aria-label="Activate my-own 1.0.1 now"]`)
	p.wait("the change of version on the chart", "klineDashboard.inspect().swaps.length > 0 && klineDashboard.inspect().view.chart.markers > 0")
	p.says("notice", "is computed by module version")
	p.wait("the way back", "document.querySelector('[aria-label=\"Roll back my-own to 1.0.0\"]')")
	p.click(`[aria-label="Roll back my-own to 1.0.0"]`)
	p.says("own-word", "my-own is back at 1.0.0.")
	p.live()
	if eval[int](p, "globalThis.sameDocument ?? 0") != 1 {
		t.Error("the page was loaded anew")
	}
	if kept := eval[string](p, "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])"); strings.Contains(kept, "change-me") {
		t.Errorf("the password is kept: %s", kept)
	}
	p.click("#sign-out")
	p.wait("the form to sign in", "document.getElementById('sign-in').checkVisibility() && document.getElementById('versions').textContent === ''")
}

func TestRefusedUploadListsItsFindings(t *testing.T) {
	s := startUploads(t)
	p := openTab(t, browser(t), s.address, 1280, 900)
	p.allow("401", "422")
	p.live()
	p.signedIn()
	p.click("#send")
	p.says("upload-word", "Choose a file first.")
	whole := module(t, plain("my-own", "1.0.0"))
	p.file("My Own.wasm", whole[:300], false)
	p.click("#send")
	p.says("upload-word", "Not uploaded: the module is not one that may run here.")
	p.says("findings", "Error truncated")
	p.says("findings", "byte ")
	// Checks that run the module name the indicator they ran: this one takes no default of 200.
	p.file("my-own.wasm", module(t, strings.Replace(plain("my-own", "1.0.0"), `"default":20,"min":1,"max":100`, `"default":200,"min":1,"max":200`, 1)), false)
	p.click("#send")
	p.wait("the findings of another module", "document.getElementById('findings').textContent.includes('indicator my_sum')")
	if check := eval[string](p, "document.querySelector('#findings .check-name').textContent"); !strings.HasPrefix(check, "Error V") {
		t.Errorf("the finding says %q, and not which check it is of", check)
	}
	p.set("module", "Not A Name")
	p.click("#send")
	p.says("upload-word", "A module name has")
	if got := eval[string](p, "document.activeElement.id"); got != "module" {
		t.Errorf("the focus is on %s and not where the name is wrong", got)
	}
	if left := eval[string](p, "document.getElementById('versions').textContent"); left != "" {
		t.Errorf("after refusals there are versions: %q", left)
	}
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		if low := eval[[]string](p, contrast); len(low) > 0 {
			t.Errorf("%s: contrast below 4.5: %q", scheme, low)
		}
	}
	unnamed := eval[[]string](p, `[...document.querySelectorAll('#panel input, #panel select, #panel button, #panel progress')].filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map((e) => e.outerHTML)`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
}

func TestRolesAreRespectedAndSaid(t *testing.T) {
	for role, change := range map[string][2]string{
		"author":  {"publisher ann\n", "publisher eve\n"},
		"nothing": {"author ann\n\t\t\tpublisher ann\n", "author eve\n\t\t\tpublisher eve\n"},
	} {
		t.Run(role, func(t *testing.T) {
			s := startSample(t, "Caddyfile.uploads", change)
			p := openTab(t, browser(t), s.address, 1280, 900)
			p.allow("401", "403")
			p.live()
			p.signIn("change-me")
			if role == "nothing" {
				p.says("own-word", "modules are shown to authors and publishers")
				return
			}
			p.says("who", "You are ann, author.")
			if eval[bool](p, "document.getElementById('activate-box').checkVisibility()") {
				t.Error("who may not activate is asked whether to")
			}
			p.file("my-own.wasm", module(t, plain("my-own", "1.0.0")), false)
			p.click("#send")
			p.says("upload-word", "my-own 1.0.0 is stored and staged.")
			p.click("#offers button")
			p.says("own-word", "my-own 1.0.0 waits for a publisher to activate it.")
			if buttons := eval[int](p, "document.querySelectorAll('#versions button').length"); buttons != 0 {
				t.Errorf("%d buttons for what ann may not do", buttons)
			}
		})
	}
}

func TestUploadsAreHiddenWhereThereAreNone(t *testing.T) {
	s := startSite(t)
	p := openTab(t, browser(t), s.address, 360, 740)
	p.live()
	p.choose("sma", "period")
	if eval[bool](p, "document.getElementById('own').checkVisibility()") {
		t.Error("the page offers uploads that the server does not take")
	}
	if size := eval[[]float64](p, "[document.documentElement.scrollWidth, innerWidth]"); size[0] > size[1] {
		t.Errorf("with the panel the page is %v wide on a phone of %v", size[0], size[1])
	}
}

// payloads are texts that do something where they become markup, an address or code.
var payloads = []string{
	`<img src=x onerror='globalThis.hit=1'>`, `<script>globalThis.hit=1</script>`, `<svg/onload=globalThis.hit=1>`, `\"><b onclick=globalThis.hit=1>`,
	`javascript:globalThis.hit=1`, `${globalThis.hit=1}`, `{{constructor.constructor('globalThis.hit=1')()}}`,
}

func TestForeignTextsStayTexts(t *testing.T) {
	s := startUploads(t)
	p := openTab(t, browser(t), s.address, 1280, 900)
	p.allow("401", "422")
	p.live()
	p.signedIn()
	for i, x := range payloads {
		name := fmt.Sprintf("evil-%c", 'a'+i)
		p.file(name+".wasm", module(t, fmt.Sprintf(`{"abi":1,"name":%q,"version":"1.0.0","title":"%[2]s","description":"%[2]s","author":"%[2]s","license":"%[2]s","x-more":"%[2]s","indicators":[{"id":0,
			"name":"sum","title":"%[2]s","short":"%[3]s","help":"%[2]s","x-more":"%[2]s","input":"src","warmup":2147483647,"params":[{"name":"period","title":"%[2]s","help":"%[2]s","group":"%[2]s",
			"type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value","title":"%[2]s"}]}]}`, name, x, strings.Trim(strings.ReplaceAll(x, "{", ""), "$"))), false) // braces name parameters there
		p.click("#send")
		p.wait("an answer", "document.getElementById('upload-word').textContent.match(/is stored and active|Not uploaded/)")
		if word := eval[string](p, "document.getElementById('upload-word').textContent + document.getElementById('findings').textContent"); strings.Contains(word, "Not uploaded") {
			t.Fatalf("%s is refused: %s", x, word)
		}
		p.click("#offers button")
		p.lines(name+"/sum(20)", 400)
		p.choose(name+"/sum", "period")
		p.untouched(x)
		p.click("#shown li:last-child button")
		p.wait("the line to go", fmt.Sprintf("!klineDashboard.inspect().instances.includes(%q)", name+"/sum(20)"))
	}
	// The same in what refuses a module, and in the address.
	for _, x := range payloads[:3] {
		p.file("other.wasm", module(t, strings.Replace(plain("other", "1.0.0"), `"abi":1`, fmt.Sprintf(`"abi":1,"%s":1`, x), 1)), false)
		p.click("#send")
		p.wait("findings", "document.getElementById('findings').children.length > 0")
		p.untouched(x)
		eval[bool](p, fmt.Sprintf("(location.hash = '#BTCUSD@1m:' + encodeURIComponent(%q) + ',nix(' + encodeURIComponent(%q) + '),nix(1)', true)", x, x))
		p.says("message", "nix(1)")
		p.untouched(x)
	}
}

// untouched wants that no text has become an element, and that none was run.
func (p *tab) untouched(payload string) {
	p.t.Helper()
	found := eval[[]string](p, `[...document.querySelectorAll('img, iframe, object, embed, b, script:not([src]), [onerror], [onload], [onclick], a[href^="javascript"]')].map((e) => e.outerHTML)`)
	if hit := eval[int](p, "globalThis.hit ?? 0"); hit != 0 || len(found) > 0 {
		p.t.Errorf("%s: run %d, elements %q", payload, hit, slices.Compact(found))
	}
}
