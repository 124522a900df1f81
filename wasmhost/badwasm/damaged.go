package badwasm

import (
	"fmt"
	"slices"
	"strings"
)

// damaged are W01: files cut off at every offset, and single flipped bits.
func damaged(yield func(Attack) bool) bool {
	whole := Indicator().Bytes()
	for n := range whole {
		if !yield(Attack{Row: "W01", Name: fmt.Sprintf("W01-cut-at-%d", n), Bytes: whole[:n], Want: Refused}) {
			return false
		}
	}
	for i := range whole {
		for _, bit := range []int{0, 3, 7} {
			b := append([]byte(nil), whole...)
			b[i] ^= 1 << bit
			if !yield(Attack{Row: "W01", Name: fmt.Sprintf("W01-flip-%d-%d", i, bit), Bytes: b, Want: Survives}) {
				return false
			}
		}
	}
	return true
}

// disguised are W24: files of other kinds, and a module with another file
// behind it.
func disguised(yield func(Attack) bool) bool {
	whole := Indicator().Bytes()
	html := "<!doctype html><script>alert(1)</script>"
	list := []Attack{
		{Name: "behind-a-module", Bytes: Join(whole, []byte(html))},
		{Name: "in-a-custom-section", Bytes: Join(whole, Section(0, Name(html), []byte(html))), Want: Harmless, Export: "kl_update"},
		{Name: "version-2", Bytes: Join([]byte("\x00asm\x02\x00\x00\x00"), whole[8:]), Code: "not_wasm"},
		{Name: "component", Bytes: Join([]byte("\x00asm\x0d\x00\x01\x00"), whole[8:]), Code: "not_wasm"},
	}
	for name, head := range map[string]string{
		"html": html, "gzip": "\x1f\x8b\x08\x00", "zip": "PK\x03\x04", "elf": "\x7fELF\x02\x01\x01", "pe": "MZ\x90\x00", "png": "\x89PNG\r\n\x1a\n",
		"pdf": "%PDF-1.7", "text": "(module)", "javascript": "export default {}", "json": "{}", "empty": "", "zeros": "\x00\x00\x00\x00\x00\x00\x00\x00",
		"upper-case": "\x00ASM\x01\x00\x00\x00", "byte-order-mark": "\xef\xbb\xbf\x00asm\x01\x00\x00\x00",
	} {
		list = append(list, Attack{Name: name, Bytes: []byte(head), Code: "not_wasm"})
	}
	return refused(yield, numbered("W24", list)...)
}

// numbered completes rows and names, in the order of the names.
func numbered(row string, list []Attack) []Attack {
	for i := range list {
		list[i].Row, list[i].Name = row, row+"-"+list[i].Name
	}
	slices.SortStableFunc(list, func(a, b Attack) int { return strings.Compare(a.Name, b.Name) })
	return list
}
