package wire

// Names of record headers. Numbers in headers are decimal text.
const (
	// HeaderKind is absent on trades and klines, else one of the kinds below.
	HeaderKind = "k"
	// HeaderContentType names format and version of the value.
	HeaderContentType = "ct"
	// HeaderSource is the feed that a trade came from.
	HeaderSource = "src"
	// HeaderReceived is when a feed received the trade, ms.
	HeaderReceived = "rt"
	// HeaderFence is the lock token number of a polling feed.
	HeaderFence = "fence"
	// HeaderMessageID names a trade of a feed: source|symbol|id.
	HeaderMessageID = "message_id"
	// HeaderVenue is where a feed had the trade from: the preset of its format.
	HeaderVenue = "venue"
	// HeaderTrace is the W3C trace context, carried through.
	HeaderTrace = "traceparent"
	// HeaderOffset and HeaderOrdinal are the position of an output.
	HeaderOffset = "so"
	// HeaderOrdinal is the second half of the position.
	HeaderOrdinal = "sk"
	// HeaderAt is the input offset before which a decision acts.
	HeaderAt = "at"
	// HeaderNumber is the number of a journal record in its partition.
	HeaderNumber = "n"
	// HeaderLastOffset is the offset of the last input record before a decision.
	HeaderLastOffset = "lo"
	// HeaderLastCRC is the CRC-32C of that record.
	HeaderLastCRC = "lc"
	// HeaderReason is why a record lies in `late` or `dlq`.
	HeaderReason = "reason"
	// HeaderField is the JSON field that was wrong.
	HeaderField = "field"
	// HeaderPartition is the input partition of a diverted record.
	HeaderPartition = "sp"
	// HeaderIndex is the index of a trade in its record.
	HeaderIndex = "idx"
	// HeaderSymbol is the symbol of a late trade.
	HeaderSymbol = "sym"
	// HeaderNode is the node that wrote a record of `klines.live`.
	HeaderNode = "node"
	// HeaderPart is `i/n` on restated values that need several records.
	HeaderPart = "part"
)

// Values of HeaderKind.
const (
	// KindHeartbeat marks a sign of life of a feed.
	KindHeartbeat = "hb"
	// KindRestated marks restated indicator values.
	KindRestated = "ind"
	// KindGap marks a gap record.
	KindGap = "gap"
	// KindWanted marks, in `klines.live`, the series that readers of a node look
	// at and whose bars in progress it does not have.
	KindWanted = "want"
)

// Values of HeaderContentType. A version grows only by additive fields.
const (
	ContentTrade = "trade/json;1"
	ContentKline = "kline/json;1"
)
