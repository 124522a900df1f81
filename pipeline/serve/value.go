package serve

import (
	"bytes"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// appendValue writes the indicator object of a stream. Outputs the record does
// not have are null.
func appendValue(dst []byte, m *InstanceMeta, k *wire.KlineRecord, v *wire.IndRecord) []byte {
	dst = appendIdentity(dst, k.Sym, k.Itv)
	dst = appendText(append(dst, `,"ind":`...), m.Name)
	dst = appendInt(dst, `,"t":`, k.T)
	dst = append(dst, `,"v":{`...)
	for i, name := range m.Outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, name), ':')
		dst = appendNumber(dst, v.V, i)
	}
	dst = strconv.AppendBool(append(dst, `},"final":`...), k.Final)
	dst = appendInt(dst, `,"rev":`, int64(k.Rev))
	dst = appendInt(dst, `,"seq":`, v.Seq)
	dst = appendInt(dst, `,"n":`, v.N)
	dst = strconv.AppendBool(append(dst, `,"stable":`...), v.Flags&wire.FlagStable != 0)
	dst = strconv.AppendBool(append(dst, `,"deg":`...), v.Flags&wire.FlagDegenerate != 0)
	switch {
	case v.Flags&wire.FlagQuarantined != 0:
		dst = append(dst, `,"fault":"quarantined"`...)
	case v.Flags&wire.FlagError != 0:
		dst = append(dst, `,"fault":"error"`...)
	}
	dst = appendText(append(dst, `,"ver":`...), v.Ver)
	return append(dst, '}')
}

// appendValueRow writes [t,v..,fl].
func appendValueRow(dst []byte, outputs int, t int64, v [][]byte, flags uint8) []byte {
	dst = appendInt(append(dst, '['), "", t)
	for i := range outputs {
		dst = append(dst, ',')
		dst = appendNumber(dst, v, i)
	}
	dst = appendInt(dst, ",", int64(flags))
	return append(dst, ']')
}

// appendNumber writes output i. Minus zero becomes zero: a page would show it.
func appendNumber(dst []byte, v [][]byte, i int) []byte {
	switch {
	case i >= len(v) || v[i] == nil:
		return append(dst, "null"...)
	case string(v[i]) == "-0":
		return append(dst, '0')
	}
	return append(dst, v[i]...)
}

// rowFlags reads fl out of a row.
func rowFlags(row []byte) uint8 {
	i := bytes.LastIndexByte(row, ',')
	if i < 0 || len(row) < i+2 {
		return 0
	}
	n, err := strconv.ParseUint(string(row[i+1:len(row)-1]), 10, 8)
	if err != nil {
		return 0
	}
	return uint8(n)
}

// cells cuts a row [t,v..,fl] into its parts; the texts stay in row.
func cells(dst [][]byte, row []byte) [][]byte {
	row = row[1 : len(row)-1]
	for {
		i := bytes.IndexByte(row, ',')
		if i < 0 {
			return append(dst, row)
		}
		dst = append(dst, row[:i])
		row = row[i+1:]
	}
}
