// Package marketdata reads the real market data of the test beds into plain trades: US equity prints with the vendor's own bars,
// and trades of Binance.
//
// The central type is [Trade]: the text of the file, normalised (decimal prices, milliseconds since 1970, the taker's side), as one
// value that lives for a line of a file. [Trade.AppendJSON] writes it in the generic form of the trades topic.
//
// It downloads nothing and copies nothing: the files stay where they are ([Folder]), and where they are missing a test says so.
// It interprets no sale conditions: it hands them on.
package marketdata
