package transfer

import (
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// FormatParquet is a format of an export.
const FormatParquet = "parquet"

const (
	// decimalPlaces and decimalDigits are the DECIMAL(38,18) of prices and
	// volumes: what the history's columns have, too.
	decimalPlaces = 18
	decimalDigits = 38
	// groupRows is the size of a row group, which is held in memory.
	groupRows = 50_000
)

// parquetTable writes Apache Parquet.
type parquetTable struct {
	w       *parquet.GenericWriter[any]
	columns []column
	text    bool // decimals as texts
	rows    []parquet.Row
	values  []parquet.Value
}

// ordered is a group whose columns stand in their order and not in that of their
// names.
type ordered struct {
	parquet.Group
	names []string
}

// Fields implements parquet.Node.
func (o ordered) Fields() []parquet.Field {
	byName := map[string]parquet.Field{}
	for _, f := range o.Group.Fields() {
		byName[f.Name()] = f
	}
	out := make([]parquet.Field, len(o.names))
	for i, name := range o.names {
		out[i] = byName[name]
	}
	return out
}

func newParquet(w io.Writer, columns []column, decimals string) (*parquetTable, error) {
	if decimals != "" && decimals != "decimal" && decimals != "string" {
		return nil, fmt.Errorf("reading --decimals: unknown value %q (allowed: decimal, string)", cut(decimals))
	}
	t := &parquetTable{columns: columns, text: decimals == "string"}
	root := ordered{Group: parquet.Group{}}
	for _, c := range columns {
		root.Group[c.name] = parquet.Compressed(parquet.Optional(t.node(c.kind)), &zstd.Codec{})
		root.names = append(root.names, c.name)
	}
	t.w = parquet.NewGenericWriter[any](w, parquet.NewSchema("kline", root), parquet.MaxRowsPerRowGroup(groupRows), parquet.CreatedBy("caddy-kline", "1", ""))
	return t, nil
}

func (t *parquetTable) node(k cellKind) parquet.Node {
	switch k {
	case cellDecimal:
		if !t.text {
			return parquet.Decimal(decimalPlaces, decimalDigits, parquet.FixedLenByteArrayType(16))
		}
	case cellInt:
		return parquet.Int(64)
	case cellTime:
		return parquet.Timestamp(parquet.Millisecond)
	case cellFloat:
		return parquet.Leaf(parquet.DoubleType)
	case cellText, cellID:
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

func (t *parquetTable) row(c cells) error {
	for i, text := range c {
		v, err := t.value(t.columns[i].kind, text)
		if err != nil {
			return fmt.Errorf("writing %s: %w", t.columns[i].name, err)
		}
		level := 1
		if text == nil {
			level = 0
		}
		t.values = append(t.values, v.Level(0, level, i))
	}
	t.rows = append(t.rows, t.values[len(t.values)-len(c):len(t.values):len(t.values)])
	if len(t.rows) < 1024 {
		return nil
	}
	return t.flush()
}

func (t *parquetTable) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	_, err := t.w.WriteRows(t.rows)
	t.rows, t.values = t.rows[:0], nil
	return err
}

func (t *parquetTable) value(k cellKind, text []byte) (parquet.Value, error) {
	if text == nil {
		return parquet.NullValue(), nil
	}
	switch k {
	case cellDecimal:
		if t.text {
			break
		}
		b, err := decimal128(string(text))
		return parquet.FixedLenByteArrayValue(b), err
	case cellInt, cellTime:
		n, err := strconv.ParseInt(string(text), 10, 64)
		return parquet.Int64Value(n), err
	case cellFloat:
		f, err := strconv.ParseFloat(string(text), 64)
		return parquet.DoubleValue(f), err
	case cellText, cellID:
	}
	return parquet.ByteArrayValue(append([]byte(nil), text...)), nil
}

// decimal128 is a decimal as 16 bytes, big endian, at the scale of the columns.
func decimal128(text string) ([]byte, error) {
	whole, places, _ := strings.Cut(text, ".")
	if len(places) > decimalPlaces || len(strings.TrimPrefix(whole, "-")) > decimalDigits-decimalPlaces {
		return nil, fmt.Errorf("%q does not fit DECIMAL(%d,%d) exactly: use --decimals string", cut(text), decimalDigits, decimalPlaces)
	}
	n, ok := new(big.Int).SetString(whole+places+strings.Repeat("0", decimalPlaces-len(places)), 10)
	if !ok {
		return nil, fmt.Errorf("%q is no decimal", cut(text))
	}
	if n.Sign() < 0 {
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	return n.FillBytes(make([]byte, 16)), nil
}

func (t *parquetTable) end() error {
	if err := t.flush(); err != nil {
		return err
	}
	return t.w.Close()
}
