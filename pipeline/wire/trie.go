package wire

import (
	"fmt"
	"strings"
)

// node is one JSON object of a compiled mapping: the keys of interest in it.
// A trie belongs to one Decoder, because after is written while reading.
type node struct {
	edges []edge
	// after[i+1] is the edge that last followed edge i, after[0] the one that
	// came first. Producers write their keys in one order, so the first
	// comparison nearly always hits.
	after []int
	prev  int // edge found last in this object, -1 none
}

// edge leads from a key to a field, to a nested object or to the array of
// trades.
type edge struct {
	name  string
	bit   uint64 // in Decoder.seen: a second sight of it is a duplicate key
	field Field  // valid if child is nil
	child *node
	array bool // the value is the array of trades, child its elements
	path  string
}

// compile builds the trie of a mapping. Its errors name both fields of a
// conflict.
func compile(m *Mapping) (*node, error) {
	root := &node{after: make([]int, 1)}
	b := builder{}
	for f := Field(0); f < NumFields; f++ {
		p := m.path(f)
		if len(p) == 0 {
			continue
		}
		if err := b.add(root, p, f); err != nil {
			return nil, fmt.Errorf("mapping field %s to %q: %w", f, cut(p.String()), err)
		}
	}
	return root, nil
}

// builder carries what is unique over the whole trie.
type builder struct {
	bits  uint
	array string // path of the array of trades
}

func (b *builder) add(n *node, p Path, f Field) error {
	for i, key := range p {
		name := strings.TrimSuffix(key, arrayMark)
		at := p[:i+1].String()
		last, array := i == len(p)-1, name != key
		e := n.find(name)
		switch {
		case e != nil && (last || e.child == nil):
			return fmt.Errorf("%q already holds another field (each field needs a place of its own)", cut(at))
		case e != nil && e.array != array:
			return fmt.Errorf("%q is an array of trades for one field and an object for another", cut(at))
		case array && b.array != "" && b.array != at:
			return fmt.Errorf("a second array of trades, beside %q", cut(b.array))
		case e == nil:
			e = b.grow(n, name, at, f, last)
		}
		if array {
			e.array, b.array = true, at
		}
		n = e.child
	}
	return nil
}

func (b *builder) grow(n *node, name, at string, f Field, last bool) *edge {
	e := edge{name: name, bit: 1 << b.bits, field: f, path: at}
	b.bits++
	if !last {
		e.child = &node{after: make([]int, 1)}
	}
	n.edges = append(n.edges, e)
	n.after = append(n.after, 0)
	return &n.edges[len(n.edges)-1]
}

func (n *node) find(name string) *edge {
	for i := range n.edges {
		if n.edges[i].name == name {
			return &n.edges[i]
		}
	}
	return nil
}

// at returns the edge of the key that starts at b[i], behind its quote, if it
// is the expected one. It spares the scan for the closing quote.
func (n *node) at(b []byte, i int) *edge {
	k := n.after[n.prev+1]
	if k >= len(n.edges) {
		return nil
	}
	e := &n.edges[k]
	end := i + len(e.name)
	if end >= len(b) || b[end] != '"' || string(b[i:end]) != e.name {
		return nil
	}
	n.prev = k
	return e
}

// lookup returns the edge of key and remembers what it followed.
func (n *node) lookup(key []byte) *edge {
	for k := range n.edges {
		if string(key) == n.edges[k].name {
			n.after[n.prev+1] = k
			n.prev = k
			return &n.edges[k]
		}
	}
	return nil
}

// list returns the edge that leads to the array of trades, nil if there is none.
func (n *node) list() *edge {
	for i := range n.edges {
		e := &n.edges[i]
		if e.array {
			return e
		}
		if e.child == nil {
			continue
		}
		if inner := e.child.list(); inner != nil {
			return inner
		}
	}
	return nil
}
