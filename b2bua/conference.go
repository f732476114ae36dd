package b2bua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tandem/media"
)

// ConferenceOptions of Conference.
type ConferenceOptions struct {
	PIN   string // that is asked for first; "" for none
	Ask   GatherOptions
	Muted bool
	Max   int // of members; the one beyond is turned away; 0: no limit
	Rate  int // Hz at which whoever comes first has it mixed; 0: 16000

	// Record names a file as TapeOptions.File does, for what all say from when this one has
	// come until the room is empty. Nothing happens if the room is being recorded.
	Record string

	Alone  []media.Source // for the first one, alone
	Joined []media.Source // for all when somebody has come
	Left   []media.Source // and gone
}

// ConferenceResult tells how a member's time in a conference went.
type ConferenceResult struct {
	Room    string
	Seconds float64
	By      Side // who ended it: caller, script (a kick), system (an operator, a fault)
}

// Expected failures of Conference.
var (
	ErrConferenceFull = errors.New("full")
	ErrPIN            = errors.New("wrong pin")
)

// ConferenceMember is one who takes part, as listed.
type ConferenceMember struct {
	ID     string // of the call
	From   Address
	Number string
	Muted  bool
	Speaks bool
	Since  time.Time
}

// ConferenceInfo is a conference as it stands; the longest there comes first.
type ConferenceInfo struct {
	Room    string
	Members []ConferenceMember
}

// conferences are the rooms in use, by name. A room is there while somebody is in it.
type conferences struct {
	mu    sync.Mutex
	rooms map[string]*conference
}

type conference struct {
	name     string
	mix      *media.Mix
	seats    []*seat // in order of coming; conferences.mu guards them
	taping   *taping // nil: it is not recorded; its rec is nil until the file is made
	sessions sync.Map
}

// seat is one member's place. Its call's goroutine owns op.
type seat struct {
	call    *Call
	session *media.Session
	op      *op
	since   time.Time
	muted   atomic.Bool
	speaks  atomic.Bool
	left    []media.Source
}

// Conference brings the caller into a room, whom everybody in it then hears, until the
// caller leaves or is made to. An unanswered caller is answered first. Errors are
// ErrConferenceFull, ErrPIN, ErrPath, ErrMoved, or what Gather returns.
func (c *Call) Conference(ctx context.Context, room string, o ConferenceOptions) (ConferenceResult, error) {
	res := ConferenceResult{Room: room, By: ByCaller}
	var path string
	if o.Record != "" {
		var err error
		if path, err = c.server.recordingFile(o.Record); err != nil {
			return res, err
		}
	}
	if o.PIN != "" {
		if err := c.askPIN(ctx, o); err != nil {
			return orLeft(res, err)
		}
	}
	_, err := await[struct{}](ctx, c, c.first, func(out *op) {
		l := c.first.now()
		if err := l.ready(); err != nil {
			c.finish(out, nil, err)
			return
		}
		if l.media == nil {
			c.finish(out, nil, ErrState)
			return
		}
		s := &seat{call: c, session: l.media, op: out, since: c.clock.Now(), left: o.Left}
		s.muted.Store(o.Muted)
		if err := c.sit(room, s, o); err != nil {
			c.finish(out, nil, err)
			return
		}
		if path != "" {
			c.aside(func() { s.record(room, o.Record, path) })
		}
		out.stop = func() {
			res.Seconds = c.clock.Now().Sub(s.since).Seconds()
			if by, ok := out.value.(Side); ok {
				res.By = by
			} else if c.gone() {
				res.By = c.leaver()
			}
			l.stopPlaying()
			c.note("", "media", fmt.Sprintf("left conference %s after %.1f s", room, res.Seconds))
			c.server.conferences.leave(room, s)
		}
	})
	return orLeft(res, err)
}

// orLeft makes a result of a caller's end.
func orLeft(res ConferenceResult, err error) (ConferenceResult, error) {
	if errors.Is(err, ErrHangup) && !errors.Is(err, ErrMoved) {
		return res, nil
	}
	return res, err
}

// askPIN gathers until the caller has entered the PIN, or too often another.
func (c *Call) askPIN(ctx context.Context, o ConferenceOptions) error {
	ask := o.Ask
	ask.Tries = cmp.Or(ask.Tries, 3)
	for range ask.Tries {
		one := ask
		one.Tries, one.Invalid = 1, nil
		one.Min, one.Max, one.Finish, one.Secret = 1, len(o.PIN), "#", true
		got, err := c.first.Gather(ctx, one)
		if err != nil {
			return err
		}
		if got.OK && got.Digits == o.PIN {
			return nil
		}
		if len(ask.Invalid) > 0 {
			if _, err := c.first.Play(ctx, ask.Invalid, PlayOptions{}); err != nil {
				return err
			}
		}
	}
	return ErrPIN
}

// sit takes a seat in a room and joins its sound.
func (c *Call) sit(room string, s *seat, o ConferenceOptions) error {
	conf, first, err := c.server.conferences.enter(c.server, room, s, o)
	if err != nil {
		return err
	}
	l := c.first.now()
	l.free()
	l.stopPlaying()
	c.endSupervision()
	if err := conf.mix.Join(s.session, media.JoinOptions{Muted: o.Muted}); err != nil {
		c.server.conferences.leave(room, s)
		return fmt.Errorf("conference %s: %w", room, err)
	}
	c.note("", "media", "joined conference "+room)
	switch {
	case first && len(o.Alone) > 0:
		l.startPlaying(o.Alone, 0, func(error) {})
	case !first && len(o.Joined) > 0:
		conf.mix.Play(o.Joined, 1)
	}
	return nil
}

// enter gives s a seat, and opens the room if nobody is in it.
func (r *conferences) enter(srv *Server, room string, s *seat, o ConferenceOptions) (conf *conference, first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	conf = r.rooms[room]
	if conf == nil {
		conf = &conference{name: room}
		conf.mix, err = srv.o.Media.NewMix(media.MixOptions{Rate: o.Rate, OnEvent: func(e media.MixEvent) { conf.happened(srv, e) }})
		if err != nil {
			return nil, false, fmt.Errorf("conference %s: %w", room, err)
		}
		if r.rooms == nil {
			r.rooms = map[string]*conference{}
		}
		r.rooms[room] = conf
	}
	if o.Max > 0 && len(conf.seats) >= o.Max {
		return nil, false, ErrConferenceFull
	}
	conf.seats = append(conf.seats, s)
	conf.sessions.Store(s.session, s)
	return conf, len(conf.seats) == 1, nil
}

// leave gives the seat back; the last one closes the room. A second time does nothing.
func (r *conferences) leave(room string, s *seat) {
	r.mu.Lock()
	conf := r.rooms[room]
	i := -1
	if conf != nil {
		i = slices.Index(conf.seats, s)
	}
	if i < 0 {
		r.mu.Unlock()
		return
	}
	conf.seats = slices.Delete(conf.seats, i, i+1)
	conf.sessions.Delete(s.session)
	last := len(conf.seats) == 0
	if last {
		delete(r.rooms, room)
	}
	r.mu.Unlock()
	conf.mix.Leave(s.session)
	if last {
		conf.mix.Close()
	} else if len(s.left) > 0 {
		conf.mix.Play(s.left, 1)
	}
}

// happened is called by a media worker: it only posts.
func (conf *conference) happened(srv *Server, e media.MixEvent) {
	if e.Kind == media.MixFailed {
		go srv.conferences.empty(conf)
		return
	}
	v, ok := conf.sessions.Load(e.Session)
	if !ok {
		return
	}
	s := v.(*seat)
	s.speaks.Store(e.Kind == media.MixSpeaks)
	kind := "quiet"
	if e.Kind == media.MixSpeaks {
		kind = "speaks"
	}
	s.call.box.post(do(func(c *Call) { c.happened(Happening{Kind: kind, Leg: c.first, Value: conf.name}) }))
}

// empty ends a conference that a fault of ours has struck.
func (r *conferences) empty(conf *conference) {
	r.mu.Lock()
	seats := slices.Clone(conf.seats)
	r.mu.Unlock()
	for _, s := range seats {
		s.expel(BySystem)
	}
}

// expel ends a member's time in the room; its script goes on.
func (s *seat) expel(by Side) bool {
	return s.call.box.post(do(func(c *Call) { c.finish(s.op, by, nil) }))
}

// has tells whether a call is in any room.
func (r *conferences) has(c *Call) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conf := range r.rooms {
		if slices.ContainsFunc(conf.seats, func(s *seat) bool { return s.call == c }) {
			return true
		}
	}
	return false
}

// seat finds a member by the id of its call.
func (r *conferences) seat(room, id string) (*conference, *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	conf := r.rooms[room]
	if conf == nil {
		return nil, nil
	}
	for _, s := range conf.seats {
		if s.call.id == id {
			return conf, s
		}
	}
	return nil, nil
}

// Conferences lists the rooms in use, by name.
func (s *Server) Conferences() []ConferenceInfo {
	r := &s.conferences
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]ConferenceInfo, 0, len(r.rooms))
	for _, conf := range r.rooms {
		list = append(list, conf.info())
	}
	slices.SortFunc(list, func(a, b ConferenceInfo) int { return cmp.Compare(a.Room, b.Room) })
	return list
}

// ConferenceOf is one room; false if nobody is in it.
func (s *Server) ConferenceOf(room string) (ConferenceInfo, bool) {
	r := &s.conferences
	r.mu.Lock()
	defer r.mu.Unlock()
	conf := r.rooms[room]
	if conf == nil {
		return ConferenceInfo{}, false
	}
	return conf.info(), true
}

// info needs conferences.mu.
func (conf *conference) info() ConferenceInfo {
	out := ConferenceInfo{Room: conf.name}
	for _, s := range conf.seats {
		out.Members = append(out.Members, ConferenceMember{ID: s.call.id, From: s.call.from, Number: s.call.Number(),
			Muted: s.muted.Load(), Speaks: s.speaks.Load(), Since: s.since})
	}
	return out
}

// KickFromConference takes the call of that id out of a room; its script goes on. False if
// it is not there.
func (s *Server) KickFromConference(room, id string, by Side) bool {
	_, seat := s.conferences.seat(room, id)
	return seat != nil && seat.expel(by)
}

// MuteInConference makes a member a listener, or ends that. False if it is not there.
func (s *Server) MuteInConference(room, id string, on bool) bool {
	conf, seat := s.conferences.seat(room, id)
	if seat == nil {
		return false
	}
	seat.muted.Store(on)
	conf.mix.Mute(seat.session, on)
	return true
}
