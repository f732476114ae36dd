package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"tandem/store"
)

// A frame of a spool file: a mark, the length of the body, its checksum, the body. The body
// is a byte that says whether the call has ended, then the record as JSON. A file that was
// torn or damaged is read on from the next mark.
const (
	frameMark = "TnDr"
	frameHead = len(frameMark) + 4 + 4
	maxFrame  = 16 << 20
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func appendFrame(b []byte, e *Entry) ([]byte, error) {
	body, err := json.Marshal(store.Record{Call: e.Call, Legs: e.Legs, Events: e.Events})
	if err != nil {
		return b, fmt.Errorf("call %s: %w", e.Call.ID, err)
	}
	state := byte('o')
	if e.Finished {
		state = 'f'
	}
	body = append([]byte{state}, body...)
	b = append(b, frameMark...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(body, castagnoli()))
	return append(b, body...), nil
}

// readFrames returns the entries in b, later states of a call folded into its first, and how
// many bytes could not be read.
func readFrames(b []byte) (entries []*Entry, broken int) {
	byID := map[string]*Entry{}
	for len(b) > 0 {
		e, n := readFrame(b)
		if e == nil {
			n = 1 + bytes.Index(b[1:], []byte(frameMark))
			if n == 0 {
				n = len(b)
			}
			broken += n
		} else if old := byID[e.Call.ID]; old != nil {
			old.fold(e)
		} else {
			byID[e.Call.ID] = e
			entries = append(entries, e)
		}
		b = b[n:]
	}
	return entries, broken
}

// readFrame reads the frame at the beginning of b; nil if there is none that is whole.
func readFrame(b []byte) (*Entry, int) {
	if len(b) < frameHead || string(b[:len(frameMark)]) != frameMark {
		return nil, 0
	}
	size := binary.BigEndian.Uint32(b[len(frameMark):])
	if size < 1 || size > maxFrame || int(size) > len(b)-frameHead {
		return nil, 0
	}
	body := b[frameHead : frameHead+int(size)]
	if crc32.Checksum(body, castagnoli()) != binary.BigEndian.Uint32(b[len(frameMark)+4:]) {
		return nil, 0
	}
	var r store.Record
	if err := json.Unmarshal(body[1:], &r); err != nil || r.Call.ID == "" {
		return nil, 0
	}
	return &Entry{Call: r.Call, Legs: r.Legs, Events: r.Events, Finished: body[0] == 'f'}, frameHead + int(size)
}
