package sdp

// Direction says who sends on a stream, as seen by the side that wrote it.
type Direction uint8

// The four directions (RFC 8866 §6.7). The zero value is the default, SendRecv.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// String is the attribute's name.
func (d Direction) String() string {
	switch d {
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	}
	return "sendrecv"
}

func parseDirection(name string) (Direction, bool) {
	for d := SendRecv; d <= Inactive; d++ {
		if d.String() == name {
			return d, true
		}
	}
	return SendRecv, false
}

// Sends tells whether the side that wrote d sends.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives tells whether the side that wrote d wants to receive.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// DirectionOf is the direction of a side that sends and receives as told.
func DirectionOf(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

// Reverse is d as seen from the other side.
func (d Direction) Reverse() Direction { return DirectionOf(d.Receives(), d.Sends()) }

// Answer is the direction that answers an offer of d when we would like want
// (RFC 3264 §6.1): we send only what is received, and receive only what is sent.
func (d Direction) Answer(want Direction) Direction {
	return DirectionOf(want.Sends() && d.Receives(), want.Receives() && d.Sends())
}
