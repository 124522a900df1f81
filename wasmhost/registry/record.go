package registry

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Record is one version of one module. Module, Version, SHA256 and what was
// found at the upload never change; State and Comparison do.
type Record struct {
	Module     string          `json:"module"`
	Version    string          `json:"version"` // major.minor.patch
	SHA256     string          `json:"sha256"`  // of the bytes as uploaded, lower-case hex
	Size       int             `json:"size"`    // bytes
	Author     string          `json:"author"`  // identity of the uploader; foreign text
	Tenant     string          `json:"tenant"`
	Time       time.Time       `json:"time"` // of the upload, UTC
	State      State           `json:"state"`
	Since      time.Time       `json:"since"` // of the state, UTC
	Indicators []string        `json:"indicators"`
	Vet        *Report         `json:"vet,omitempty"`
	Comparison json.RawMessage `json:"comparison,omitempty"` // of the shadow run, as the engine gave it

	// Signature is that of the bytes, in the form of minisign, as the author sent
	// it; empty for none. Whether its key is trusted is asked anew each time.
	Signature string `json:"signature,omitempty"`

	// Turn numbers the activations of the module, the newest counts. From is the
	// open time in ms UTC of the first bars that this version computes. Earlier
	// are its activations before, oldest first: bars of theirs may still be open.
	Turn    int64  `json:"turn,omitempty"`
	From    int64  `json:"from,omitempty"`
	Earlier []Turn `json:"earlier,omitempty"`

	// Before is what a version in its shadow run was: it goes back to that, or a run
	// would make a rollback believe in a version that its faults took out.
	Before State `json:"before,omitempty"`

	// Ousted is the version that was active before this one, nil: none was.
	Ousted *Ousted `json:"ousted,omitempty"`
}

// Ousted is a version that another one has taken the place of, and what became of
// it: its own record is written second, and may have been left behind.
type Ousted struct {
	Version string `json:"version"`
	State   State  `json:"state"`
}

// Turn is one activation of a version, see [Record].
type Turn struct {
	Turn int64 `json:"turn"`
	From int64 `json:"from"`
}

// maxEarlier bounds the activations that a record remembers.
const maxEarlier = 8

// Turns are the activations of a version, oldest first.
func (r *Record) Turns() []Turn {
	out := slices.Clone(r.Earlier)
	if r.Turn > 0 {
		out = append(out, Turn{r.Turn, r.From})
	}
	return out
}

// moduleName and versionForm are anchored at the text's ends, not at a line's.
var (
	moduleName  = regexp.MustCompile(`\A[a-z][a-z0-9-]{1,40}\z`)
	versionForm = regexp.MustCompile(`\A(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\z`)
)

// ValidName tells whether s may be the name of a module.
func ValidName(s string) bool { return moduleName.MatchString(s) }

// ValidVersion tells whether s is three numbers of at most 32 characters in
// all, without leading zeros.
func ValidVersion(s string) bool { return len(s) <= 32 && versionForm.MatchString(s) }

func (r *Record) key() string { return recordKey(r.Module, r.Version) }

// compare orders by module, then by version as numbers.
func (r *Record) compare(o *Record) int {
	if c := cmp.Compare(r.Module, o.Module); c != 0 {
		return c
	}
	a, b := strings.Split(r.Version, "."), strings.Split(o.Version, ".")
	for i := range min(len(a), len(b)) {
		// Longer is larger: there are no leading zeros, and 32 digits are no int.
		if c := cmp.Or(cmp.Compare(len(a[i]), len(b[i])), cmp.Compare(a[i], b[i])); c != 0 {
			return c
		}
	}
	return 0
}

// same tells whether two records of one version say the same.
func (r *Record) same(o *Record) bool {
	return r.SHA256 == o.SHA256 && r.State == o.State && r.Since.Equal(o.Since) && bytes.Equal(r.Comparison, o.Comparison) &&
		r.Turn == o.Turn && r.From == o.From && r.Signature == o.Signature
}

// recordHead begins every record; the sum is that of all behind the line.
const recordHead = "caddy-kline module record 1 sha256:"

func (r *Record) encode() ([]byte, error) {
	b, err := seal(recordHead, r)
	if err != nil {
		return nil, fmt.Errorf("encoding the record of %s %s: %w", r.Module, r.Version, err)
	}
	return b, nil
}

// decodeRecord believes nothing: a flipped bit, a copied or renamed file and a
// record of another program are told from a record that this package wrote
// under this key.
func decodeRecord(key string, b []byte) (Record, error) {
	var r Record
	if err := unseal(recordHead, b, &r); err != nil {
		return r, err
	}
	switch {
	case !ValidName(r.Module) || !ValidVersion(r.Version) || !validSum(r.SHA256):
		return r, fmt.Errorf("its name, version or sum is malformed")
	case !r.State.known():
		return r, fmt.Errorf("its state is unknown to this version of the program")
	case r.key() != key:
		return r, fmt.Errorf("it is the record of another version, %s %s", r.Module, r.Version)
	}
	return r, nil
}
