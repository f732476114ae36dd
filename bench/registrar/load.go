package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a server that runs, and the phones that register with it.
type process struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	phones *phones
}

func (b *bench) start(which string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"-serve", which, "-bindings", strconv.Itoa(b.bindings)}
	if b.hasty {
		args = append(args, "-hasty")
	}
	p := &process{cmd: exec.Command(self, args...)}
	p.cmd.Stderr = os.Stderr
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.output = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := p.output.ReadString('\n')
	if err == nil {
		p.phones, err = newPhones(strings.TrimSpace(line))
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("%s did not start: %w", which, err)
	}
	return p, nil
}

func (p *process) stop() {
	p.input.Close()
	p.cmd.Wait() // how it ends says nothing about how it ran
}

// settled waits until the server is at rest and gives what it keeps alive.
func (p *process) settled() (heap int64, bindings int, err error) {
	if _, err := io.WriteString(p.input, "settled\n"); err != nil {
		return 0, 0, err
	}
	_, err = fmt.Fscanln(p.output, &heap, &bindings)
	return heap, bindings, err
}

// measure refreshes bindings for so long.
func (p *process) measure(length time.Duration) (figures, error) {
	before, err := p.cpu()
	if err != nil {
		return figures{}, err
	}
	began := time.Now()
	n, err := p.phones.refresh(length)
	took := time.Since(began)
	if err != nil {
		return figures{}, err
	}
	after, err := p.cpu()
	if err != nil {
		return figures{}, err
	}
	return figures{(after - before) / time.Duration(n), float64(n) / took.Seconds()}, nil
}

// cpu is the time that all threads have had a core, in the kernel's nanoseconds.
func (p *process) cpu() (sum time.Duration, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no /proc/%d/task/*/schedstat", p.cmd.Process.Pid)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", f, err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// outstanding is how many REGISTERs are on their way at once; a nonce takes counts that lie
// less than 64 apart.
const outstanding = 32

// phones are all at one address, behind one nonce: as a gateway's lines are.
type phones struct {
	conn  *net.UDPConn
	local netip.AddrPort
	nonce string   // "" until the server has challenged
	count uint32   // how often it was used
	seq   []uint32 // CSeq of each phone
	next  int
	buf   []byte
}

func newPhones(server string) (*phones, error) {
	to, err := netip.ParseAddrPort(server)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	return &phones{conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), buf: make([]byte, 65536)}, nil
}

// registerAll binds n phones.
func (p *phones) registerAll(n int) error {
	p.seq = make([]uint32, n)
	return p.exchange(n)
}

// refresh binds one after the other again, for so long, and tells how many.
func (p *phones) refresh(length time.Duration) (n int, err error) {
	for began := time.Now(); time.Since(began) < length; n += 20 * outstanding {
		if err := p.exchange(20 * outstanding); err != nil {
			return n, err
		}
	}
	return n, nil
}

// exchange sends REGISTERs of the next n phones and waits for the answers.
func (p *phones) exchange(n int) error {
	for sent, done := 0, 0; done < n; {
		for ; sent < n && sent-done < outstanding; sent++ {
			if err := p.send(); err != nil {
				return err
			}
		}
		again, err := p.receive()
		if err != nil {
			return fmt.Errorf("after %d of %d: %w", done, n, err)
		}
		if again { // the nonce is new, or old: those on their way are answered so, too
			for waiting := sent - done - 1; waiting > 0; waiting-- {
				if _, err := p.receive(); err != nil {
					return err
				}
			}
			p.next -= sent - done
			sent = done
			continue
		}
		done++
	}
	return nil
}

func (p *phones) send() error {
	i := p.next % len(p.seq)
	p.next++
	p.seq[i]++
	user := userName(i)
	authorization := ""
	if p.nonce != "" {
		p.count++
		authorization = p.answer(user)
	}
	_, err := fmt.Fprintf(p.conn, "REGISTER sip:tandem SIP/2.0\r\nVia: SIP/2.0/UDP %[1]s;rport;branch=z9hG4bK%[3]d.%[4]d\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:%[2]s@tandem>;tag=t%[3]d\r\nTo: <sip:%[2]s@tandem>\r\nCall-ID: %[3]d@phones\r\nCSeq: %[4]d REGISTER\r\n"+
		"Contact: <sip:%[2]s@%[1]s>;+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-%012[3]d>\"\r\nExpires: 3600\r\n"+
		"User-Agent: bench\r\nSupported: path\r\n%[5]sContent-Length: 0\r\n\r\n", p.local, user, i, p.seq[i], authorization)
	return err
}

// answer is the Authorization of one phone (RFC 7616 §3.4).
func (p *phones) answer(user string) string {
	h := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	nc := fmt.Sprintf("%08x", p.count)
	response := h(h(user+":"+realm+":"+password) + ":" + p.nonce + ":" + nc + ":c:auth:" + h("REGISTER:sip:tandem"))
	return fmt.Sprintf("Authorization: Digest username=%q, realm=%q, nonce=%q, uri=\"sip:tandem\", response=%q, "+
		"algorithm=SHA-256, qop=auth, nc=%s, cnonce=\"c\"\r\n", user, realm, p.nonce, response, nc)
}

// receive takes one answer; again says that it is a challenge, which counts from now on.
func (p *phones) receive() (again bool, err error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return false, err
	}
	n, err := p.conn.Read(p.buf)
	if err != nil {
		return false, err
	}
	text := string(p.buf[:n])
	switch {
	case strings.HasPrefix(text, "SIP/2.0 200 "):
		return false, nil
	case strings.HasPrefix(text, "SIP/2.0 401 "):
		_, rest, _ := strings.Cut(text, `nonce="`)
		p.nonce, _, _ = strings.Cut(rest, `"`)
		p.count = 0
		return true, nil
	}
	return false, fmt.Errorf("answered %.60q", text)
}
