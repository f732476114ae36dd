//go:build interop

package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own on this machine, gone with the test.
type namespace struct {
	t    *testing.T
	name string
}

// mayNamespace tells whether this machine lets us make networks, cables and routers.
func mayNamespace(t *testing.T) bool {
	t.Helper()
	name := namespaceName("try")
	within := []string{"ip", "netns", "exec", name}
	for _, try := range [][]string{
		{"ip", "netns", "add", name},
		{"ip", "-n", name, "link", "add", "try0", "type", "veth", "peer", "name", "try1"},
		append(within, "nft", masquerading("try0")),
		append(within, "sh", "-c", forwarding),
	} {
		if out, err := exec.Command(try[0], try[1:]...).CombinedOutput(); err != nil {
			t.Logf("no networks of our own here: %s: %v: %s", strings.Join(try, " "), err, out)
			exec.Command("ip", "netns", "del", name).Run() // if it was made at all
			return false
		}
	}
	run(t, "ip", "netns", "del", name)
	return true
}

// masquerading is the rule that gives what leaves by an end its address, and a port at random.
func masquerading(end string) string {
	return "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100 ; }; " +
		"add rule ip nat out oifname " + strconv.Quote(end) + " masquerade random"
}

// forwarding makes a network pass packets on, and forget who says nothing for 30 s.
const forwarding = "echo 1 > /proc/sys/net/ipv4/ip_forward && cd /proc/sys/net/netfilter && " +
	"echo 30 > nf_conntrack_udp_timeout && echo 30 > nf_conntrack_udp_timeout_stream"

func namespaceName(what string) string {
	return fmt.Sprintf("tandem-%s-%d-%d", what, os.Getpid(), time.Now().UnixNano()%1_000_000)
}

func newNamespace(t *testing.T, what string) *namespace {
	t.Helper()
	n := &namespace{t, namespaceName(what)}
	run(t, "ip", "netns", "add", n.name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", n.name) })
	run(t, "ip", "-n", n.name, "link", "set", "lo", "up")
	return n
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// within runs a program in the network.
func (n *namespace) within(args ...string) {
	n.t.Helper()
	run(n.t, "ip", append([]string{"netns", "exec", n.name}, args...)...)
}

// wire joins two networks by a cable; each end gets an address such as 10.0.0.1/24.
func (n *namespace) wire(end, address string, other *namespace, otherEnd, otherAddress string) {
	n.t.Helper()
	run(n.t, "ip", "-n", n.name, "link", "add", end, "type", "veth", "peer", "name", otherEnd, "netns", other.name)
	for _, x := range []struct {
		in           *namespace
		end, address string
	}{{n, end, address}, {other, otherEnd, otherAddress}} {
		run(n.t, "ip", "-n", x.in.name, "addr", "add", x.address, "dev", x.end)
		run(n.t, "ip", "-n", x.in.name, "link", "set", x.end, "up")
	}
}

// masquerade makes the network a router as homes have one.
func (n *namespace) masquerade(end string) {
	n.t.Helper()
	n.within("nft", masquerading(end))
	n.within("sh", "-c", forwarding)
}

// dial connects from within the network. A socket stays in the network that it was made in.
func (n *namespace) dial(network, address string) (net.Conn, error) {
	type made struct {
		conn net.Conn
		err  error
	}
	out := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		f, err := os.Open("/var/run/netns/" + n.name)
		if err != nil {
			out <- made{nil, err}
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			out <- made{nil, err}
			return
		}
		conn, err := net.DialTimeout(network, address, time.Second)
		out <- made{conn, err}
	}()
	m := <-out
	return m.conn, m.err
}
