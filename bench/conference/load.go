package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tandem/media/codec"
	"tandem/media/rtp"
)

// measured is what one setting has cost.
type measured struct {
	cores  float64
	micros float64 // of CPU for each packet that came in
	sent   int
	lost   int
}

const frame = 20 * time.Millisecond

// measure starts the process, talks to it and reads its CPU before and after.
func measure(s setting, parties int, length time.Duration) (measured, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(localhost, 0)))
	if err != nil {
		return measured{}, err
	}
	defer conn.Close()
	_ = conn.SetReadBuffer(4 << 20)
	self, err := os.Executable()
	if err != nil {
		return measured{}, err
	}
	cmd := exec.Command(self, "-child", s.mode, "-parties", strconv.Itoa(parties), "-rate", strconv.Itoa(s.rate),
		"-peer", strconv.Itoa(conn.LocalAddr().(*net.UDPAddr).Port))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return measured{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return measured{}, err
	}
	if err := cmd.Start(); err != nil {
		return measured{}, err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	m, err := talk(s, conn, parties, length, in, lines)
	in.Close()
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return m, err
}

func talk(s setting, conn *net.UDPConn, parties int, length time.Duration, in io.Writer, lines *bufio.Scanner) (measured, error) {
	if !lines.Scan() {
		return measured{}, fmt.Errorf("it did not start: %w", io.ErrUnexpectedEOF)
	}
	var to []netip.AddrPort
	for _, f := range strings.Fields(lines.Text()) {
		port, err := strconv.ParseUint(f, 10, 16)
		if err != nil {
			return measured{}, err
		}
		to = append(to, netip.AddrPortFrom(localhost, uint16(port)))
	}
	if len(to) != parties {
		return measured{}, fmt.Errorf("it opened %d ports of %d", len(to), parties)
	}
	var heard atomic.Int64
	go count(conn, &heard)
	l := newLoad(conn, to, s.speaking)
	l.run(2 * time.Second) // latching, jitter buffers, the noise floor
	from, begun, before := heard.Load(), time.Now(), l.sent
	cpu, err := cpuOf(in, lines)
	if err != nil {
		return measured{}, err
	}
	l.run(length)
	after, err := cpuOf(in, lines)
	if err != nil {
		return measured{}, err
	}
	passed := time.Since(begun)
	time.Sleep(200 * time.Millisecond) // the last ones are under way
	m := measured{sent: l.sent - before, cores: float64(after-cpu) / float64(passed)}
	m.micros = float64(after-cpu) / 1000 / float64(m.sent)
	// A mix sends by its own clock: a frame more or less for each party is no loss.
	m.lost = max(0, m.sent-int(heard.Load()-from)-parties)
	return m, nil
}

func cpuOf(in io.Writer, lines *bufio.Scanner) (int64, error) {
	if _, err := fmt.Fprintln(in, "cpu"); err != nil {
		return 0, err
	}
	if !lines.Scan() {
		return 0, io.ErrUnexpectedEOF
	}
	return strconv.ParseInt(lines.Text(), 10, 64)
}

func count(conn *net.UDPConn, heard *atomic.Int64) {
	b := make([]byte, 2048)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if rtp.Classify(b[:n]) == rtp.RTP {
			heard.Add(1)
		}
	}
}

// load is what the parties send: voices, and the hiss of the phones of those who listen.
type load struct {
	conn   *net.UDPConn
	to     []netip.AddrPort
	sounds [][]byte // G.711, one after the other
	heads  []rtp.Header
	at     int
	sent   int
}

func newLoad(conn *net.UDPConn, to []netip.AddrPort, speaking int) *load {
	l := &load{conn: conn, to: to, heads: make([]rtp.Header, len(to)), sounds: make([][]byte, len(to))}
	for i := range to {
		l.heads[i] = rtp.Header{SSRC: rtp.NewSSRC(), Sequence: rtp.NewSequence(), Timestamp: rtp.NewTimestamp()}
		level := -65.0
		if i%roomSize < speaking {
			level = -22
		}
		l.sounds[i] = sound(uint64(i), level)
	}
	return l
}

// sound is a second of something like a voice: noise that swells at the pace of syllables.
func sound(seed uint64, level float64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	pcm, low := make([]int16, 8000), 0.0
	for i := range pcm {
		low = 0.7*low + 0.7*r.NormFloat64()
		swell := 0.6 + 0.4*math.Sin(2*math.Pi*4*float64(i)/8000+float64(seed))
		pcm[i] = int16(math.Pow(10, level/20) * 32768 * low * swell)
	}
	b := make([]byte, len(pcm))
	codec.EncodeMuLaw(b, pcm)
	return b
}

// run sends everybody's packets, spread over each frame.
func (l *load) run(length time.Duration) {
	const slices = 10
	start := time.Now()
	b := make([]byte, rtp.HeaderSize+160)
	for n := range int(length / frame) {
		for part := range slices {
			time.Sleep(time.Until(start.Add(time.Duration(n)*frame + time.Duration(part)*frame/slices)))
			for i := part; i < len(l.to); i += slices {
				h := &l.heads[i]
				h.Put(b)
				copy(b[rtp.HeaderSize:], l.sounds[i][l.at*160:][:160])
				if _, err := l.conn.WriteToUDPAddrPort(b, l.to[i]); err == nil {
					l.sent++
				}
				h.Sequence++
				h.Timestamp += 160
			}
		}
		l.at = (l.at + 1) % 50
	}
}
