package feed

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/durable"
)

// errSpillFull means that the file has no room. Its feed must wait.
var errSpillFull = errors.New("the spill file is full")

// spillHead is the length and the CRC-32C in front of a batch.
const spillHead = 8

// spill is a file of batches that the topic did not take. It grows at its end
// and is cut to nothing once all of it was sent: a crash in between sends again,
// which the engine drops by the ids.
type spill struct {
	path  string
	limit int64

	file *os.File
	size int64 // up to the end of the last whole batch
	head int64 // what is before it was sent
	// folder syncs the folder that the file is in.
	folder func(dir string) error
	// damaged is where the end of a file went that could not be read, "" none.
	damaged string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openSpill finds what a process before this one has left. The file is made by
// the first append.
func openSpill(path string, limit int64) (*spill, error) {
	s := &spill{path: path, limit: limit, folder: durable.Folder}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the spill file: %w", err)
	}
	s.file = f
	if err := s.survey(); err != nil {
		_ = f.Close() // the error is the survey's
		return nil, err
	}
	return s, nil
}

// survey finds the end of the last whole batch. What is behind it was torn by a
// crash or a full disk, and then nobody was told that it is safe, or it is
// damaged: it is kept for the operator.
func (s *spill) survey() error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("reading the spill file: %w", err)
	}
	in := bufio.NewReaderSize(s.file, 1<<16)
	for {
		body, err := readBatch(in, info.Size()-s.size)
		if err != nil {
			break
		}
		s.size += spillHead + int64(len(body))
	}
	if s.size == info.Size() {
		return nil
	}
	out, err := s.aside()
	if err != nil {
		return fmt.Errorf("putting the end of a spill file aside: %w", err)
	}
	_, err = io.Copy(out, io.NewSectionReader(s.file, s.size, info.Size()-s.size))
	if err = errors.Join(err, out.Sync(), out.Close(), s.folder(filepath.Dir(s.path))); err != nil {
		_ = os.Remove(s.damaged) // a part of it, with a full disk one more at each start
		return fmt.Errorf("putting the end of a spill file aside: %w", err)
	}
	if err := s.file.Truncate(s.size); err != nil {
		return fmt.Errorf("cutting the spill file: %w", err)
	}
	return nil
}

// aside makes the file for what cannot be read. What an earlier damage at the same place
// has left is not written over: nobody may have looked at it yet.
func (s *spill) aside() (*os.File, error) {
	name := s.path + ".damaged-" + strconv.FormatInt(s.size, 10)
	for n := 2; ; n++ {
		out, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if !errors.Is(err, os.ErrExist) {
			s.damaged = name
			return out, err
		}
		name = s.path + ".damaged-" + strconv.FormatInt(s.size, 10) + "-" + strconv.Itoa(n)
	}
}

var errBadBatch = errors.New("a batch of the spill file is damaged")

// readBatch reads one batch of at most room bytes, its head included.
func readBatch(in io.Reader, room int64) ([]byte, error) {
	var head [spillHead]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, io.EOF
	}
	n := int64(binary.LittleEndian.Uint32(head[:4]))
	if n > room-spillHead {
		return nil, io.ErrUnexpectedEOF
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return body, errBadBatch
	}
	return body, nil
}

// append writes a batch and returns when it is on the disk.
func (s *spill) append(recs []Record) error {
	body, err := json.Marshal(recs)
	if err != nil {
		return fmt.Errorf("writing the spill file: %w", err)
	}
	if s.size+spillHead+int64(len(body)) > s.limit {
		return errSpillFull
	}
	if s.file == nil {
		if err := s.create(); err != nil {
			return err
		}
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, spillHead+len(body)), uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	b = append(b, body...)
	_, err = s.file.WriteAt(b, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		_ = s.file.Truncate(s.size) // what stays is cut by the next start, or written over
		return fmt.Errorf("writing the spill file: %w", err)
	}
	s.size += int64(len(b))
	return nil
}

func (s *spill) create() error {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("making the spill file: %w", err)
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making the spill file: %w", err)
	}
	// The trades of a file whose name is not on the disk are not either.
	if err := s.folder(filepath.Dir(s.path)); err != nil {
		return errors.Join(fmt.Errorf("making the spill file: %w", err), f.Close())
	}
	s.file = f
	return nil
}

// waiting is how many bytes are to be sent.
func (s *spill) waiting() int64 { return s.size - s.head }

// next returns the oldest batch that was not sent.
func (s *spill) next() (recs []Record, length int64, err error) {
	body, err := readBatch(io.NewSectionReader(s.file, s.head, s.size-s.head), s.size-s.head)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the spill file: %w", err)
	}
	if err := json.Unmarshal(body, &recs); err != nil {
		return nil, 0, fmt.Errorf("reading the spill file: %w", err)
	}
	return recs, spillHead + int64(len(body)), nil
}

// sent drops the oldest batch; an empty file is cut.
func (s *spill) sent(length int64) error {
	s.head += length
	if s.head < s.size {
		return nil
	}
	s.head, s.size = 0, 0
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("cutting the spill file: %w", err)
	}
	return nil
}

func (s *spill) close() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("closing the spill file: %w", err)
	}
	return nil
}
