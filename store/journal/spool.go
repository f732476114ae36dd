package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/store"
)

// A spool file is closed at this size, so that what has gone into the database frees its
// room on the disk soon.
const segmentBytes = 4 << 20

var errSpoolFull = errors.New("the spool is full")

// spool keeps entries in files while the database does not take them, oldest first. What
// is written survives the process at once and a power cut after about a second. It belongs
// to one goroutine, but for its counts.
type spool struct {
	dir   string
	limit int64
	lock  *os.File

	segments []*segment
	active   *os.File // the last segment, while it is appended to
	number   uint64   // of the last segment
	dirty    bool
	syncs    sync.WaitGroup

	entries, bytes atomic.Int64
}

// segment is a file of the spool.
type segment struct {
	path    string
	size    int64
	entries int
	first   uint64 // seq of its first entry; 0 for what another process left
	// died is set for what a process before this one left: when it wrote there last.
	died time.Time
}

// openSpool takes the folder for this process alone and finds what was left in it.
func openSpool(dir string, limit int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	lock, err := Own(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &spool{dir: dir, limit: limit, lock: lock}
	names, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil {
		lock.Close()
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.found(name); err != nil {
			lock.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *spool) found(path string) error {
	var number uint64
	if _, err := fmt.Sscanf(filepath.Base(path), "%016d.spool", &number); err != nil {
		return nil // nothing of ours
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	seg := &segment{path: path, size: info.Size(), died: info.ModTime()}
	entries, _, err := seg.read()
	if err != nil {
		return err
	}
	seg.entries = len(entries)
	s.number = max(s.number, number)
	for _, older := range s.segments { // the process died when it wrote the last
		older.died = seg.died
	}
	s.segments = append(s.segments, seg)
	s.count(seg.entries, seg.size)
	return nil
}

func (s *spool) count(entries int, bytes int64) {
	s.entries.Add(int64(entries))
	s.bytes.Add(bytes)
}

func (s *spool) len() int { return len(s.segments) }

// append adds entries, all of them or none.
func (s *spool) append(batch []*Entry) error {
	var b []byte
	for _, e := range batch {
		var err error
		if b, err = appendFrame(b, e); err != nil {
			return err
		}
	}
	if s.bytes.Load()+int64(len(b)) > s.limit {
		return errSpoolFull
	}
	if s.active == nil {
		if err := s.begin(batch[0].seq); err != nil {
			return err
		}
	}
	seg := s.segments[len(s.segments)-1]
	if _, err := s.active.Write(b); err != nil {
		// What was written of it must not stand before what comes later.
		err = errors.Join(err, s.active.Truncate(seg.size))
		s.seal()
		if seg.entries == 0 {
			err = errors.Join(err, s.remove(seg))
		}
		return err
	}
	seg.size += int64(len(b))
	seg.entries += len(batch)
	s.count(len(batch), int64(len(b)))
	s.dirty = true
	if seg.size >= segmentBytes {
		s.seal()
	}
	return nil
}

// copy keeps a batch in a segment of its own, which can go as soon as the batch is in the database.
func (s *spool) copy(batch []*Entry) (*segment, error) {
	s.seal()
	if err := s.append(batch); err != nil {
		return nil, err
	}
	s.seal()
	return s.segments[len(s.segments)-1], nil
}

func (s *spool) begin(first uint64) error {
	path := filepath.Join(s.dir, fmt.Sprintf("%016d.spool", s.number+1))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	s.number++
	s.active = f
	s.segments = append(s.segments, &segment{path: path, first: first})
	return nil
}

// seal ends the segment that is appended to.
func (s *spool) seal() {
	if s.active == nil {
		return
	}
	f := s.active
	s.active = nil
	s.syncs.Go(func() {
		f.Sync()
		f.Close()
	})
}

// sync makes what was written outlive a power cut; the disk may be slow, so nobody waits for
// it. An error is of no use: for all but the power cut the entries are in the file.
func (s *spool) sync() {
	if s.active == nil || !s.dirty {
		return
	}
	f := s.active
	s.dirty = false
	s.syncs.Go(func() { f.Sync() })
}

// oldest is the segment to write into the database next; it is not appended to any more.
func (s *spool) oldest() *segment {
	if len(s.segments) == 1 {
		s.seal()
	}
	return s.segments[0]
}

// remove deletes a segment whose entries are in the database.
func (s *spool) remove(seg *segment) error {
	s.segments = slices.DeleteFunc(s.segments, func(x *segment) bool { return x == seg })
	s.count(-seg.entries, -seg.size)
	if err := os.Remove(seg.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *spool) close() error {
	s.seal()
	s.syncs.Wait()
	return s.lock.Close()
}

// read returns the entries of a segment and how many bytes of it are damaged. Calls that a
// dead process left open are lost: they end when it was last known to be alive.
func (g *segment) read() (entries []*Entry, broken int, err error) {
	b, err := os.ReadFile(g.path)
	if err != nil {
		return nil, 0, err
	}
	entries, broken = readFrames(b)
	if !g.died.IsZero() {
		for _, e := range entries {
			e.lose(g.died)
		}
	}
	return entries, broken, nil
}

func (e *Entry) lose(died time.Time) {
	c := &e.Call
	if e.Finished || c.State != store.StateOpen {
		return
	}
	c.EndMS = max(c.StartMS, c.RingMS, c.AnswerMS, died.UnixMilli())
	c.State, c.ReleasedBy = store.StateLost, store.BySystem
	c.DurationMS = c.EndMS - c.StartMS
	if c.AnswerMS > 0 {
		c.BillableMS = c.EndMS - c.AnswerMS
	}
}
