package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// outstanding is how many calls are on their way at once.
const outstanding = 16

// patience is how long a call may go unanswered.
const patience = 20 * time.Second

// caller makes calls from one socket, with no more SIP than that takes.
type caller struct {
	conn  *net.UDPConn
	to    netip.AddrPort
	local netip.AddrPort
	last  atomic.Int64

	mu    sync.Mutex
	calls map[string]chan int // by Call-ID: the final code
}

func newCaller(to netip.AddrPort) (*caller, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		return nil, err
	}
	c := &caller{conn: conn, to: to, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), calls: map[string]chan int{}}
	go c.read()
	return c, nil
}

// call dials a number and returns the final code.
func (c *caller) call(number string) (int, error) {
	id := fmt.Sprintf("c%d", c.last.Add(1))
	answer := make(chan int, 1)
	c.mu.Lock()
	c.calls[id] = answer
	c.mu.Unlock()
	invite := c.invite(id, number)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if _, err := c.conn.Write(invite); err != nil {
			return 0, err
		}
		again := time.NewTimer(2 * time.Second) // the kernel may drop a datagram
		select {
		case code := <-answer:
			again.Stop()
			return code, nil
		case <-late.C:
			again.Stop()
			return 0, fmt.Errorf("call %s to %s was not answered in %v", id, number, patience)
		case <-again.C:
		}
	}
}

// callFor makes calls that are refused, for so long, and tells how many.
func (c *caller) callFor(length time.Duration) (int, error) {
	var n atomic.Int64
	errs := make(chan error, outstanding)
	began := time.Now()
	for range outstanding {
		go func() {
			for time.Since(began) < length {
				if err := c.refused(); err != nil {
					errs <- err
					return
				}
				n.Add(1)
			}
			errs <- nil
		}()
	}
	for range outstanding {
		if err := <-errs; err != nil {
			return 0, err
		}
	}
	return int(n.Load()), nil
}

func (c *caller) refused() error {
	code, err := c.call("1001")
	if err == nil && code != 486 {
		err = fmt.Errorf("a call got %d", code)
	}
	return err
}

// callSteadily makes calls at a fixed rate, however long they take, and gives how long each was
// on its way.
func (c *caller) callSteadily(length time.Duration) ([]time.Duration, error) {
	n := int(length.Seconds() * callRate)
	delays, errs := make([]time.Duration, n), make(chan error, n)
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / callRate)
		time.Sleep(time.Until(due))
		go func() {
			sent := time.Now()
			errs <- c.refused()
			delays[i] = time.Since(sent)
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return delays, nil
}

// park makes n calls that are answered and then wait.
func (c *caller) park(n int) error {
	slots, errs := make(chan struct{}, outstanding), make(chan error, n)
	for range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			code, err := c.call(waitingNumber)
			if err == nil && code != 200 {
				err = fmt.Errorf("a call got %d", code)
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n" +
	"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"

func (c *caller) invite(id, number string) []byte {
	return fmt.Appendf(nil, "INVITE sip:%[1]s@%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=z9hG4bK%[4]s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:bench@127.0.0.1>;tag=%[4]s\r\nTo: <sip:%[1]s@%[2]s>\r\nCall-ID: %[4]s\r\nCSeq: 1 INVITE\r\nContact: <sip:bench@%[3]s>\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %[5]d\r\n\r\n%[6]s", number, c.to, c.local, id, len(offer), offer)
}

// read takes the answers, acknowledges each final one, and hands its code to whoever called.
func (c *caller) read() {
	buf := make([]byte, 65536)
	for {
		n, err := c.conn.Read(buf)
		if err != nil {
			return // the server has ended
		}
		var code int
		if _, err := fmt.Sscanf(string(buf[:min(n, 16)]), "SIP/2.0 %d", &code); err != nil || code < 200 {
			continue
		}
		id, to := header(buf[:n], "Call-ID"), header(buf[:n], "To")
		target, branch := fmt.Sprintf("sip:%s", c.to), id
		if code < 300 { // RFC 3261 §13.2.2.4: a transaction of its own
			branch += "a"
		}
		ack := fmt.Sprintf("ACK %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nFrom: <sip:bench@127.0.0.1>;tag=%s\r\n"+
			"To: %s\r\nCall-ID: %s\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n", target, c.local, branch, id, to, id)
		if _, err := c.conn.Write([]byte(ack)); err != nil {
			return
		}
		c.mu.Lock()
		answer := c.calls[id]
		delete(c.calls, id)
		c.mu.Unlock()
		if answer != nil {
			answer <- code
		}
	}
}

// header is the value of a field, which must be written in full.
func header(msg []byte, name string) string {
	_, rest, _ := bytes.Cut(msg, []byte("\r\n"+name+": "))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}
