package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"tandem/media"
	"tandem/media/sdp"
)

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// serve is the process that is measured. It prints the ports of its parties; then, for each
// line that it reads, the CPU that it has used so far, in ns.
func serve(mode string, parties, rate int, peer uint16) error {
	engine, err := media.New(media.Options{Workers: 1})
	if err != nil {
		return err
	}
	var mix *media.Mix
	var last *media.Session
	for i := range parties {
		s, port, err := open(engine, peer)
		if err != nil {
			return err
		}
		fmt.Print(port, " ")
		switch {
		case mode == "relay" && i%2 == 1:
			err = media.Bridge(last, s)
		case mode == "mix":
			if i%roomSize == 0 {
				if mix, err = engine.NewMix(media.MixOptions{Rate: rate}); err != nil {
					return err
				}
			}
			err = mix.Join(s, media.JoinOptions{})
		}
		if err != nil {
			return err
		}
		last = s
	}
	fmt.Println()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var use unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &use); err != nil {
			return fmt.Errorf("getrusage: %w", err)
		}
		fmt.Println(use.Utime.Nano() + use.Stime.Nano())
	}
	return in.Err()
}

// open answers an offer from the load's port, as a call does.
func open(e *media.Engine, peer uint16) (*media.Session, int, error) {
	s, err := e.Open(media.SessionOptions{Bind: localhost})
	if err != nil {
		return nil, 0, err
	}
	body, err := s.Answer(fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP 0\r\na=rtcp-mux\r\n", peer))
	if err != nil {
		return nil, 0, err
	}
	answer, err := sdp.Parse(body)
	if err != nil {
		return nil, 0, err
	}
	_, audio := answer.Audio()
	return s, audio.Port, nil
}
