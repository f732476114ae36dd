package web

import "net/http"

// Conferences are the rooms in use.
type Conferences interface {
	// Conferences returns them by name.
	Conferences() []Conference
	Conference(room string) (Conference, bool)
	// Kick makes a member leave; false when it is not in the room.
	Kick(room, id string) bool
	// Mute makes a member a listener, or ends that; false when it is not in the room.
	Mute(room, id string, on bool) bool
}

// Conference is a room and who is in it, the longest there first.
type Conference struct {
	Room    string   `json:"room"`
	Members []Member `json:"members"`
}

// Member is one who takes part in a conference.
type Member struct {
	ID          string `json:"id"` // of the call
	FromUser    string `json:"from_user"`
	FromDisplay string `json:"from_display"`
	Number      string `json:"number"`
	Muted       bool   `json:"muted"`
	Speaking    bool   `json:"speaking"`
	SinceMS     int64  `json:"since_ms"`
}

func (a *API) listConferences(*http.Request) (any, error) {
	return listOf(a.o.Conferences.Conferences(), ""), nil
}

func (a *API) showConference(r *http.Request) (any, error) {
	room := r.PathValue("room")
	c, ok := a.o.Conferences.Conference(room)
	if !ok {
		return nil, problem(http.StatusNotFound, "nobody is in conference %q", printable(room))
	}
	return c, nil
}

func (a *API) kickMember(r *http.Request) (any, error) {
	room, id := r.PathValue("room"), r.PathValue("id")
	if !a.o.Conferences.Kick(room, id) {
		return nil, noMember(room, id)
	}
	return memberChange{room, id, nil}, nil
}

// memberChange tells what has been done to a member.
type memberChange struct {
	Room  string `json:"room"`
	ID    string `json:"id"`
	Muted *bool  `json:"muted,omitempty"`
}

// muting is the body that makes a member a listener, or ends that.
type muting struct {
	Muted *bool `json:"muted"`
}

func (a *API) muteMember(r *http.Request) (any, error) {
	room, id := r.PathValue("room"), r.PathValue("id")
	var body muting
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if body.Muted == nil {
		return nil, problem(http.StatusBadRequest, `the body: want {"muted": true or false}`)
	}
	if !a.o.Conferences.Mute(room, id, *body.Muted) {
		return nil, noMember(room, id)
	}
	return memberChange{room, id, body.Muted}, nil
}

func noMember(room, id string) error {
	return problem(http.StatusNotFound, "call %q is not in conference %q", printable(id), printable(room))
}
