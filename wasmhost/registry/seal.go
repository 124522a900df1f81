package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// seal writes a document behind a line with its sum. What a disk or a person
// has changed since is told from what this package wrote.
func seal(head string, v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	return append([]byte(head+hex.EncodeToString(sum[:])+"\n"), body...), nil
}

// unseal believes nothing: a flipped bit and a file of another program are
// errors.
func unseal(head string, b []byte, v any) error {
	first, body, _ := bytes.Cut(b, []byte("\n"))
	want, ok := strings.CutPrefix(string(first), head)
	if !ok {
		return fmt.Errorf("it does not begin with %s", strconv.Quote(head))
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != want {
		return errors.New("its content does not have the sum that its first line says")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("reading its JSON: %w", err)
	}
	return nil
}
