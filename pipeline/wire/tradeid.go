package wire

// AppendTradeID appends the id of a trade in a kline as raw JSON, as AppendKline
// writes it, from its plain text: the text of an int64 is an integer, anything
// else a string. No text is -1, which says that there is none.
func AppendTradeID(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, "-1"...)
	}
	if _, ok := canonicalInt(text); ok {
		return append(dst, text...)
	}
	return appendText(dst, text)
}
