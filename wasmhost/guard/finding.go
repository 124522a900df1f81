package guard

import "fmt"

// Code names the rule that a module broke. Codes are stable.
type Code string

// The codes of findings.
const (
	CodeNotWASM   Code = "not_wasm"            // the file does not begin as a module of version 1
	CodeTruncated Code = "truncated"           // a part ends before its content does
	CodeNumber    Code = "malformed_number"    // a LEB128 number is too long, or not in the form that is demanded
	CodeSection   Code = "malformed_section"   // order, number or length of sections, or what stands in one
	CodeLimit     Code = "over_limit"          // a structural limit; the finding names it
	CodeImport    Code = "import_not_allowed"  // something the host does not provide
	CodeExport    Code = "export_not_allowed"  // a name that is twice there, reserved or malformed
	CodeMissing   Code = "export_missing"      // the ABI demands it, or demands another type
	CodeFeature   Code = "feature_not_allowed" // a proposal that is off, or an instruction outside of the list
	CodeIndex     Code = "index_out_of_range"  // an index that points outside of the module's own entities
	CodeType      Code = "type_mismatch"       // operands that do not fit
	CodeCode      Code = "malformed_code"      // blocks that do not close, code that does not end
	CodeInternal  Code = "internal"            // a bug of the guard
)

// Finding is why a module was refused: the first rule that it broke.
type Finding struct { //nolint:errname // it is data of an answer first, and an error second
	Code    Code   `json:"code"`
	Section string `json:"section"` // "module", or the section in which it was found
	Offset  int    `json:"offset"`  // bytes from the start of the file
	Limit   string `json:"limit,omitempty"`
	Got     int64  `json:"got,omitempty"`     // with Limit: what the module has
	Allowed int64  `json:"allowed,omitempty"` // with Limit: what it may have
	Message string `json:"message"`           // with what is allowed; foreign text is quoted and cut
}

// Error returns the message with the place.
func (f *Finding) Error() string {
	return fmt.Sprintf("%s section, offset %#x: %s", f.Section, f.Offset, f.Message)
}

// quoted is foreign text, fit for a message.
func quoted(s []byte) string {
	const limit = 64
	if len(s) > limit {
		return fmt.Sprintf("%q...", s[:limit])
	}
	return fmt.Sprintf("%q", s)
}

var _ error = (*Finding)(nil)
