package wire

// Dialects are the two ways in which the records of the topic of trades are
// written: in the configured format or, as our own feeds, ingest and imports do and
// say in HeaderContentType, in the generic form. Whoever reads the topic by the
// configured one alone takes the others' trades for something else, or for none. It
// belongs to one goroutine, as its decoders do.
type Dialects struct{ configured, generic *Decoder }

// NewDialects returns the decoders of a topic whose configured format is m, as
// NewDecoder takes it.
func NewDialects(m *Mapping) *Dialects {
	return &Dialects{configured: NewDecoder(m), generic: NewDecoder(nil)}
}

// Of returns the decoder of a record with that value of HeaderContentType, nil
// where it has none.
func (d *Dialects) Of(contentType []byte) *Decoder {
	if string(contentType) == ContentTrade {
		return d.generic
	}
	return d.configured
}
