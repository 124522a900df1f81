//go:build unix

package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// late is the module late-one with one indicator, late_sum, written by hand: it passes every check, and calls the system on bars that open
// between June 2025 and 2098. Those of the checks are older.
const late = `
	AGFzbQEAAAABHwZgAAF/YAAAYAABfmABfwF/YAJ/fwF/YAR/f39/AX8CJgEWd2FzaV9zbmFwc2hvdF9wcmV2aWV3MQtzY2hlZF95aWVsZAAAAwkIAQACAwMEBQQFAwEABAYIAX8BQYCA
	CAsHcgkLX2luaXRpYWxpemUAAQZrbF9hYmkAAgtrbF9kZXNjcmliZQADCGtsX2FsbG9jAAQNa2xfc3RhdGVfc2l6ZQAFB2tsX2luaXQABglrbF91cGRhdGUABw9rbF91cGRhdGVfYmF0
	Y2gACAZtZW1vcnkCAAwBAQr1AwgCAAsGAEGAgAQLCgBC34GAgICAAQtDAQF/IwAgAGpB//8DakEQdj8ASgRAIwAgAGpB//8DakEQdj8Aa0AAQX9GBEBBAA8LCyMAIgEgAGpBD2pBcHEk
	ACABC2cAIAAoAAAEQEF/DwsgACgABEEBRwRAQX4PCyAAKAAIKwAARAAAAAAAAPA/ZkUEQEF+DwsgACgACCsAAEQAAAAAAABZQGVFBEBBfg8LIAAoAAgrAAAgACgACCsAAJ1iBEBBfg8L
	QRALgwEAIAAoAAAEQEF/DwsgACgABEEBRwRAQX4PCyAAKAAIKwAARAAAAAAAAPA/ZkUEQEF+DwsgACgACCsAAEQAAAAAAABZQGVFBEBBfg8LIAAoAAgrAAAgACgACCsAAJ1iBEBBfg8L
	IAFEAAAAAAAAAAA5AAAgAUQAAAAAAAAAADkACEEACzoAIAIpAABCgLiDofcyfUKAsLuV+MIAVARAEAAaCyABIAErAAAgAisAQKA5AAAgAyABKwAAOQAAQQELcgEDfyAAIAFBIGxqIQIC
	QANAIAAgAk8NAUEAIQMCQANAIAMgACgADE8NASAAIAAoAAAgACgABCAAKAAIIAMgACgAEGxqIAAoABQgAyAAKAAYbGoQByIENgAcIANBAWohAwwACwsgAEEgaiEADAALC0EACwvnAQEA
	QYAIC98BeyJhYmkiOjEsIm5hbWUiOiJsYXRlLW9uZSIsInZlcnNpb24iOiIxLjAuMCIsImluZGljYXRvcnMiOlt7ImlkIjowLCJuYW1lIjoibGF0ZV9zdW0iLCJpbnB1dCI6InNyYyIs
	Indhcm11cCI6MjE0NzQ4MzY0NywicGFyYW1zIjpbeyJuYW1lIjoicGVyaW9kIiwidHlwZSI6ImludCIsImRlZmF1bHQiOjIwLCJtaW4iOjEsIm1heCI6MTAwfV0sIm91dHB1dHMiOlt7
	Im5hbWUiOiJ2YWx1ZSJ9XX1dfQ==`

func TestFaultsAreDownloadedAndModulesStopped(t *testing.T) {
	s := startSample(t, "Caddyfile.uploads", [2]string{"\tkline {\n", "\tkline {\n\t\tindicators {\n\t\t\tsync_interval 1s\n\t\t}\n"},
		[2]string{"\t\t\tpublisher ann\n", "\t\t\tpublisher ann\n\t\t\toperator ann\n"})
	p := openTab(t, browser(t), s.address, 1280, 900)
	p.allow("401", "400", "404") // asked without a password, a name that is none, an indicator that is stopped
	p.live()
	p.signIn("change-me")
	p.says("who", "You are ann, author and publisher and operator.")

	// A fault of a module that has waited until it was active: seen, explained, downloaded.
	wasm, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(late), ""))
	if err != nil {
		t.Fatal(err)
	}
	s.upload("late-one", wasm)
	eval[bool](p, "(location.hash = '#BTCUSD@1m:late-one/late_sum', true)")
	p.wait("the fault", `document.querySelector('[aria-label="Show the faults of late-one 1.0.0"]')`)
	p.click(`[aria-label="Show the faults of late-one 1.0.0"]`)
	p.says("versions", "system: it called the system")
	p.says("versions", "system call: the update calls sched_yield")
	eval[bool](p, `((make) => {
		globalThis.saved = []; globalThis.savedAs = [];
		URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return make.call(URL, blob); };
		HTMLAnchorElement.prototype.click = function () { savedAs.push(this.download); };
		return true;
	})(URL.createObjectURL)`)
	p.click(`[aria-label="Download the fault system of late-one 1.0.0"]`)
	p.wait("the file", "globalThis.saved.length === 1 && globalThis.savedAs.length === 1")
	var repro struct{ SHA256, Fault, Expression string }
	if err := json.Unmarshal([]byte(eval[string](p, "saved[0]")), &repro); err != nil || repro.Fault != "system" || len(repro.SHA256) != 64 {
		t.Errorf("the file: %+v, %v", repro, err)
	}
	if as := eval[string](p, "savedAs[0].replace(/[0-9a-f]{16}/, 'ID')"); as != "late-one-1.0.0-ID.repro.json" {
		t.Errorf("the file is called %q", as)
	}

	// What is stopped, by whom, why; and lifted again. Reasons are foreign.
	s.upload("my-own", module(t, plain("my-own", "1.0.0")))
	p.wait("the button", `document.querySelector('[aria-label="Stop my-own"]')`)
	p.says("kills", "Nothing is stopped.")
	for _, x := range payloads[:3] {
		p.click(`[aria-label="Stop my-own"]`)
		if got := eval[string](p, "document.activeElement.id + document.getElementById('kill-name').value"); got != "kill-reasonmy-own" {
			t.Errorf("the form is filled with %q", got)
		}
		p.set("kill-reason", x)
		p.click("#kill")
		p.says("kill-word", "module my-own: stopped")
		p.wait("who and why", fmt.Sprintf("document.getElementById('kills').textContent.includes('by ann · since 20') && document.getElementById('kills').textContent.includes(%q)", x))
		p.says("versions", "Stopped by the operator since 20")
		p.says("versions", x)
		p.untouched(x)
		p.click(`[aria-label="Lift module my-own"]`)
		p.says("kill-word", "module my-own: lifted.")
		p.says("kills", "Nothing is stopped.")
		p.wait("the module to run again", "!document.getElementById('versions').textContent.includes('Stopped by the operator')")
	}
	p.set("kill-name", "Not/A Name")
	p.click("#kill")
	p.says("kill-word", "Not done: ")
	p.set("kill-scope", "all")
	if eval[bool](p, "document.getElementById('kill-name').checkVisibility()") {
		t.Error("everything is asked for a name")
	}
	p.click("#kill")
	p.says("kills", "everything uploaded")
	p.click(`[aria-label="Lift everything uploaded"]`)
	p.says("kills", "Nothing is stopped.")
	p.live()
}
