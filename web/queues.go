package web

import "net/http"

// Queues are those who wait: in queues and in parking slots.
type Queues interface {
	// Queues returns the queues by name.
	Queues() []Queue
	Queue(name string) (Queue, bool)
	// RemoveWaiting ends the wait of a caller, whose script goes on; false when it does not wait there.
	RemoveWaiting(queue, id string) bool
	// Parked returns the slots in use, by name.
	Parked() []Parked
}

// Queue is a queue as a supervisor sees it.
type Queue struct {
	Name    string        `json:"name"`
	Callers []QueueCaller `json:"callers"` // in the order they are served
	Agents  []QueueAgent  `json:"agents"`

	// Since the start of the server.
	Answered  int64 `json:"answered"`
	Abandoned int64 `json:"abandoned"` // hung up
	Exited    int64 `json:"exited"`    // left by a key
	TimedOut  int64 `json:"timed_out"`
	Refused   int64 `json:"refused"` // full, or no agent there
	Other     int64 `json:"other"`   // moved elsewhere or removed
	WaitedMS  int64 `json:"waited_ms"`
	TalkedMS  int64 `json:"talked_ms"`

	HandleMS *int64 `json:"handle_ms"` // that a caller takes an agent of late, wrap-up included; null: not known
}

// QueueCaller is one who waits.
type QueueCaller struct {
	Position    int      `json:"position"` // from 1
	ID          string   `json:"id"`       // of the call
	FromUser    string   `json:"from_user"`
	FromDisplay string   `json:"from_display"`
	Number      string   `json:"number"`
	Priority    int      `json:"priority"`
	SinceMS     int64    `json:"since_ms"`
	WaitMS      int64    `json:"wait_ms"`
	Rings       []string `json:"rings"` // the agents who are being rung
}

// QueueAgent is one who serves a queue.
type QueueAgent struct {
	Target   string `json:"target"`
	State    string `json:"state"` // free, ringing, talking, wrap-up, busy, resting, paused, left, absent
	SinceMS  int64  `json:"since_ms"`
	Joined   bool   `json:"joined"`   // of their own, not listed by a script
	Answered int64  `json:"answered"` // calls of all queues
	Missed   int64  `json:"missed"`   // likewise
}

// Parked is somebody in a parking slot.
type Parked struct {
	Slot        string `json:"slot"`
	ID          string `json:"id"` // of the call
	FromUser    string `json:"from_user"`
	FromDisplay string `json:"from_display"`
	Number      string `json:"number"`
	SinceMS     int64  `json:"since_ms"`
}

func (a *API) listQueues(*http.Request) (any, error) { return listOf(a.o.Queues.Queues(), ""), nil }

func (a *API) showQueue(r *http.Request) (any, error) {
	name := r.PathValue("name")
	q, ok := a.o.Queues.Queue(name)
	if !ok {
		return nil, problem(http.StatusNotFound, "queue %q has not been used", printable(name))
	}
	return q, nil
}

func (a *API) removeWaiting(r *http.Request) (any, error) {
	name, id := r.PathValue("name"), r.PathValue("id")
	if !a.o.Queues.RemoveWaiting(name, id) {
		return nil, problem(http.StatusNotFound, "call %q does not wait in queue %q", printable(id), printable(name))
	}
	return waitEnded{name, id}, nil
}

// waitEnded tells whose wait has been ended.
type waitEnded struct {
	Queue string `json:"queue"`
	ID    string `json:"id"`
}

func (a *API) listParked(*http.Request) (any, error) { return listOf(a.o.Queues.Parked(), ""), nil }
