package b2bua

import (
	"errors"
	"fmt"

	"tandem/media"
)

// ErrNoConference is returned where nobody is in the room.
var ErrNoConference = errors.New("nobody is in that conference")

// RecordConference records what everybody in a room says, from now on until
// StopConferenceRecording or until the last one has left. The file lies below the recordings
// folder, as StartRecording's does, and is named in the record of by, the call that wants it;
// nil for none. It waits for the disk. Errors are ErrNoConference, ErrState if the room is
// being recorded, ErrPath, or the file's.
func (s *Server) RecordConference(by *Call, room, file string) error {
	path, err := s.recordingFile(file)
	if err != nil {
		return err
	}
	return s.conferences.record(by, room, file, path)
}

// StopConferenceRecording ends the recording of a room and returns when its file is
// complete. Errors are ErrNoConference, ErrState if it is not being recorded, or the file's.
func (s *Server) StopConferenceRecording(room string) (RecordResult, error) {
	r := &s.conferences
	r.mu.Lock()
	conf := r.rooms[room]
	if conf == nil {
		r.mu.Unlock()
		return RecordResult{}, ErrNoConference
	}
	t := conf.taping
	if t == nil || t.rec == nil {
		r.mu.Unlock()
		return RecordResult{}, ErrState
	}
	conf.taping = nil
	r.mu.Unlock()
	t.rec.Stop()
	<-t.rec.Done()
	res := t.rec.Result()
	if res.Err != nil {
		return RecordResult{}, fmt.Errorf("record %s: %w", t.file, res.Err)
	}
	return RecordResult{Path: t.file, Seconds: res.Seconds, Why: res.Why}, nil
}

// record begins the recording of a room, unless there is one. The place is taken before the
// file is made, so that nobody's is overwritten by one that comes too late.
func (r *conferences) record(by *Call, room, file, path string) error {
	t := &taping{file: file}
	r.mu.Lock()
	conf := r.rooms[room]
	switch {
	case conf == nil:
		r.mu.Unlock()
		return ErrNoConference
	case conf.taping != nil:
		r.mu.Unlock()
		return ErrState
	}
	conf.taping = t
	r.mu.Unlock()
	rec, err := conf.mix.Record(media.RecordOptions{Path: path})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		conf.taping = nil
		return fmt.Errorf("record %s: %w", file, err)
	}
	t.rec = rec
	go r.taped(conf, t, by)
	if by != nil {
		by.noteConference(room, file)
	}
	return nil
}

// record is on a goroutine of its own: the disk may be slow. What fails leaves the conference
// alone.
func (s *seat) record(room, file, path string) {
	c := s.call
	err := c.server.conferences.record(c, room, file, path)
	if err == nil || errors.Is(err, ErrState) || errors.Is(err, ErrNoConference) {
		return // another's goes on, or all have left already
	}
	c.log.Warn("a conference is not recorded", "room", room, "error", err)
	c.Note("media", fmt.Sprintf("conference %s is not recorded: %v", room, err))
}

// noteConference tells in the call's record that it has begun to record a room.
func (c *Call) noteConference(room, file string) {
	c.box.post(do(func(c *Call) {
		c.recorded(file)
		c.note("", "media", fmt.Sprintf("recording conference %s to %s", room, file))
	}))
}

// taped waits until a recording is over, and makes room for another.
func (r *conferences) taped(conf *conference, t *taping, by *Call) {
	<-t.rec.Done()
	r.mu.Lock()
	if conf.taping == t {
		conf.taping = nil
	}
	r.mu.Unlock()
	if by == nil {
		return
	}
	if res := t.rec.Result(); res.Err != nil {
		by.log.Warn("the recording of a conference ended early", "room", conf.name, "file", t.file, "seconds", res.Seconds, "error", res.Err)
		by.Note("media", fmt.Sprintf("recording to %s failed after %.1f s: %v", t.file, res.Seconds, res.Err))
	}
}
