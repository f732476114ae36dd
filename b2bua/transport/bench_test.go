package transport

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

type counting struct{ n chan struct{} }

func (c counting) HandleMessage(*Incoming)      { c.n <- struct{}{} }
func (c counting) HandleFlowClosed(Flow, error) {}

const benchInvite = "INVITE sip:700@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;rport;branch=z9hG4bKPj3f7c8e5a\r\n" +
	"Max-Forwards: 70\r\nFrom: \"Alice\" <sip:1001@127.0.0.1>;tag=8d0fa3b1\r\nTo: <sip:700@127.0.0.1>\r\n" +
	"Contact: <sip:1001@127.0.0.1:5070;ob>\r\nCall-ID: 2f5c9f9a-3f1b-4b7e-9f2d\r\nCSeq: 14243 INVITE\r\n" +
	"Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, NOTIFY, REFER, MESSAGE, OPTIONS\r\n" +
	"Supported: replaces, 100rel, timer, norefersub\r\nSession-Expires: 1800\r\nMin-SE: 90\r\nUser-Agent: bench\r\n" +
	"Content-Type: application/sdp\r\nContent-Length: 240\r\n\r\n"

func benchMessage() []byte { return []byte(benchInvite + strings.Repeat("s", 240)) }

// BenchmarkReceive takes an INVITE from a real socket to the handler, some dozens in flight.
func BenchmarkReceive(b *testing.B) {
	for name, wrap := range map[string]func(*socket){
		"batch": func(*socket) {},
		"plain": func(s *socket) { s.reader = plainReader{s.pc} },
	} {
		b.Run(name, func(b *testing.B) {
			l, err := New(Options{Log: silent(), Listen: []Endpoint{{UDP, mustAddrPort("127.0.0.1:0")}}})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			wrap(l.sockets[0])
			h := counting{make(chan struct{}, 64)}
			l.Serve(h)
			c, err := net.Dial("udp", l.Endpoints()[0].Addr.String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			msg := benchMessage()
			b.ReportAllocs()
			cpu := cpuTime()
			b.ResetTimer()
			sent := 0
			for got := 0; got < b.N; got++ {
				for sent < b.N && sent-got < 48 {
					if _, err := c.Write(msg); err != nil {
						b.Fatal(err)
					}
					sent++
				}
				<-h.n
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is what this process has used, which other processes do not blur.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkParse(b *testing.B) {
	l := &Layer{parser: newParser(0)}
	msg := benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.parse(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseSipgo is the floor: sipgo's parser as it comes.
func BenchmarkParseSipgo(b *testing.B) {
	p := sip.NewParser()
	msg := benchMessage()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ParseSIP(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	l := &Layer{parser: newParser(0)}
	msg, err := l.parse(benchMessage())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Encode(msg)
	}
}
