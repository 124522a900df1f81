package wire

// Field is one part of a trade that a mapping can place in foreign JSON.
type Field uint8

// The fields of a trade. FieldTN is read only where the time is the unmapped
// `ts` in milliseconds; it has no word in a mapping.
const (
	FieldSymbol Field = iota
	FieldPrice
	FieldSize
	FieldTS
	FieldTN
	FieldID
	FieldSide
	FieldSeq
	FieldOp
	FieldRefID
	// NumFields is the number of fields, for arrays indexed by Field.
	NumFields
)

var fieldNames = [NumFields]string{"symbol", "price", "size", "ts", "tn", "id", "side", "seq", "op", "ref_id"}

// String returns the field's word, which is its key in the generic trade JSON.
func (f Field) String() string {
	if f >= NumFields {
		return "unknown"
	}
	return fieldNames[f]
}

// ParseField returns the field that a word of a mapping names.
func ParseField(word string) (Field, bool) {
	for f, name := range fieldNames {
		if name == word && Field(f) != FieldTN {
			return Field(f), true
		}
	}
	return 0, false
}
