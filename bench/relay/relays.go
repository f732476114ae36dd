package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"

	"tandem/media"
	"tandem/media/sdp"
)

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// serve is a relay in a process of its own: it prints the ports of its legs and ends when
// its input does.
func serve(relay func(legs int, peer uint16) ([]uint16, error), legs int, peer uint16) error {
	ports, err := relay(legs, peer)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what setting up has left is not what a call holds
	for _, p := range ports {
		fmt.Print(p, " ")
	}
	fmt.Println()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// ours relays by the media engine, as calls do: offer and answer, then a bridge.
func ours(legs int, peer uint16) ([]uint16, error) {
	engine, err := media.New(media.Options{})
	if err != nil {
		return nil, err
	}
	var ports []uint16
	var waiting *media.Session
	for i := range legs {
		s, err := engine.Open(media.SessionOptions{Bind: localhost})
		if err != nil {
			return nil, err
		}
		offer := fmt.Appendf(nil, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
			"m=audio %d RTP/AVP 0\r\na=rtcp-mux\r\n", peer)
		body, err := s.Answer(offer)
		if err != nil {
			return nil, err
		}
		answer, err := sdp.Parse(body)
		if err != nil {
			return nil, err
		}
		_, audio := answer.Audio()
		ports = append(ports, uint16(audio.Port))
		if i%2 == 0 {
			waiting = s
		} else if err := media.Bridge(waiting, s); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// goroutines relays as one writes it first in Go: a goroutine and a net.UDPConn a leg.
func goroutines(legs int, peer uint16) ([]uint16, error) {
	var ports []uint16
	var conns []*net.UDPConn
	for range legs {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(localhost, 0)))
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
		ports = append(ports, c.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	}
	to := netip.AddrPortFrom(localhost, peer)
	for i, c := range conns {
		go func(out *net.UDPConn) {
			b := make([]byte, 2048)
			for {
				n, _, err := c.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				out.WriteToUDPAddrPort(b[:n], to) // a lost packet is counted at its end
			}
		}(conns[i^1])
	}
	return ports, nil
}
