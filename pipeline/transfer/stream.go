package transfer

import (
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxRatio and freeBytes bound what a compressed file may grow to: 250 times
	// what was read of it, beyond the first 64 MiB. Market data shrink by 3 to
	// 40 times, a bomb by a thousand.
	maxRatio  = 250
	freeBytes = 64 << 20
	// maxMembers bounds the files in a zip.
	maxMembers = 10_000
)

// errBomb ends the reading of a file that grows beyond the limit.
var errBomb = fmt.Errorf("it grows to more than %d times its size (beyond the first %d MiB), as a decompression bomb does: decompress it yourself if that is what you want, plain files have no limit", maxRatio, freeBytes>>20)

// stream hands out the text of a file, member by member. A plain file and a
// gzip are one member.
type stream struct {
	file *os.File
	// size is that of the file, bytes; read is how many of them were read.
	size    int64
	read    int64
	plain   int64 // bytes handed out after decompression
	packed  bool
	members []*zip.File // of a zip that remain
	single  io.Reader   // the only member of another file, nil once handed out
	name    string      // of the member, empty in a file of one
	open    io.Closer   // the member's
}

// openStream finds out by its first bytes what a file is.
func openStream(name string) (*stream, error) {
	f, err := os.Open(name) // #nosec G304 -- the operator's own file
	if err != nil {
		return nil, fmt.Errorf("opening the file: %w", err)
	}
	s := &stream{file: f}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", path.Base(name), err), f.Close())
	}
	return s, nil
}

func (s *stream) begin() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no regular file: an import can only go on where it stopped in one that stays")
	}
	s.size = info.Size()
	var magic [4]byte
	n, err := s.file.ReadAt(magic[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch head := magic[:n]; {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		s.packed = true
		z, err := gzip.NewReader(bufio.NewReaderSize(&counted{r: s.file, s: s}, 1<<16))
		if err != nil {
			return fmt.Errorf("its first bytes are those of a gzip, but: %w", err)
		}
		s.single = z
	case string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06":
		s.packed = true
		return s.beginZip()
	default:
		s.single = &counted{r: s.file, s: s}
	}
	return nil
}

// beginZip lists the members in order of their names, which for files by day
// is the order of time.
func (s *stream) beginZip() error {
	z, err := zip.NewReader(&countedAt{r: s.file, s: s}, s.size)
	if err != nil {
		return fmt.Errorf("its first bytes are those of a zip, but: %w (a download that was cut off?)", err)
	}
	if len(z.File) > maxMembers {
		return fmt.Errorf("the zip holds %d files, the limit is %d", len(z.File), maxMembers)
	}
	for _, m := range z.File {
		base := path.Base(m.Name)
		if m.FileInfo().IsDir() || strings.HasPrefix(base, ".") || strings.HasPrefix(m.Name, "__MACOSX/") {
			continue
		}
		if m.Flags&1 != 0 {
			return fmt.Errorf("%q in the zip is encrypted: decrypt it first", cut(m.Name))
		}
		s.members = append(s.members, m)
	}
	slices.SortStableFunc(s.members, func(a, b *zip.File) int { return strings.Compare(a.Name, b.Name) })
	s.read = 0 // the directory was no data
	return nil
}

// next hands out the next member; io.EOF behind the last.
func (s *stream) next() (io.Reader, error) {
	if s.open != nil {
		_ = s.open.Close() // it was only read
		s.open = nil
	}
	if s.single != nil {
		r := s.single
		s.single = nil
		return &bounded{r: r, s: s}, nil
	}
	if len(s.members) == 0 {
		return nil, io.EOF
	}
	m := s.members[0]
	s.members = s.members[1:]
	r, err := m.Open()
	if err != nil {
		return nil, fmt.Errorf("opening %q in the zip: %w", cut(m.Name), err)
	}
	s.name, s.open = path.Base(m.Name), r
	return &bounded{r: r, s: s}, nil
}

func (s *stream) close() {
	if s.open != nil {
		_ = s.open.Close() // it was only read
	}
	_ = s.file.Close() // likewise
}

// counted counts what is read of the file.
type counted struct {
	r io.Reader
	s *stream
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.s.read += int64(n)
	return n, err
}

type countedAt struct {
	r io.ReaderAt
	s *stream
}

func (c *countedAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.s.read += int64(n)
	return n, err
}

// bounded ends a member that grows beyond the limit.
type bounded struct {
	r io.Reader
	s *stream
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.s.plain += int64(n)
	if b.s.packed && b.s.plain > freeBytes && b.s.plain-freeBytes > maxRatio*b.s.read {
		return 0, errBomb
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("it ends too early, the compressed data are cut off (%w): fetch it again, the import goes on where it is now", err)
	}
	return n, err
}

// maxShown is the longest name that a message has as it is, in bytes.
const maxShown = 255

// shown is the name of a file in a message. What stands in a zip is foreign: a name
// with characters that move a terminal's cursor is quoted.
func shown(name string) string {
	if len(name) > maxShown || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(cut(name))
	}
	return name
}

// cut bounds foreign text that is quoted in an error.
func cut(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
