// Package adapter turns foreign trade records into ours: it holds what an
// operator may write about the form of a record and makes a mapping of it.
//
// The central type is Format, the words of a `format` block. It lives in the
// configuration, is checked when the configuration is loaded, and gives the
// wire.Mapping from which each worker makes its decoder.
//
// The package reads no record itself and knows no topic: which records a format
// applies to is decided by whoever configures a source or a feed.
package adapter
