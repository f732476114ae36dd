package media

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"tandem/media/rtp"
)

// RTCP packet types (RFC 3550 §12.1).
const (
	rtcpSR   = 200
	rtcpRR   = 201
	rtcpSDES = 202
	rtcpBYE  = 203
	rtcpXR   = 207 // RFC 3611 §2
)

// rtcpEvery is the mean time between two reports (RFC 3550 §6.2); each is drawn from half
// to one and a half of it so that sessions do not report in step.
const rtcpEvery = 5 * time.Second

// reporter sends our RTCP and reads the peer's.
type reporter struct {
	timer  timer
	cname  string
	heard  uint32    // middle 32 bits of the NTP time in the peer's last SR
	at     time.Time // when that came
	rtt    time.Duration
	source netip.AddrPort // where the peer's RTCP comes from
	said   uint64         // packets sent when we last reported
	far    far
	asked  receiverTime // the peer's, to be answered in our next report
	before rtp.Totals   // at the last event about quality
	buf    [256]byte
}

func (r *reporter) init(m *stream) {
	r.timer = timer{stream: m, run: (*stream).sendReport}
	// RFC 7022 §4.2: a short-term name tells nothing about who we are.
	r.cname = strconv.FormatUint(rand.Uint64(), 36)
}

func (r *reporter) start() {
	if !r.timer.armed() {
		r.schedule()
	}
}

// rtcpGrid is what the times of reports are rounded to, so that one wake-up of the worker
// sends those of many sessions.
const rtcpGrid = 50 * time.Millisecond

func (r *reporter) schedule() {
	m := r.timer.stream
	at := m.arrival() + rtcpEvery/2 + time.Duration(rand.Int64N(int64(rtcpEvery)))
	m.arm(&r.timer, m.session.engine.epoch.Add(at.Round(rtcpGrid)))
}

// sendReport sends SR or RR with SDES, sets the timer for the next and tells how well the
// peer has been heard since the last.
func (m *stream) sendReport() {
	m.report.schedule()
	m.writeRTCP(false)
	m.tellQuality()
}

// bye tells the peer that our stream ends (RFC 3550 §6.6).
func (r *reporter) bye() {
	if m := r.timer.stream; m.p != nil && m.count.txPackets > 0 {
		m.writeRTCP(true)
	}
}

func (m *stream) writeRTCP(bye bool) {
	to := m.remoteRTCP()
	if !to.IsValid() || m.rtcp == nil || m.count.txPackets == 0 && m.count.rxPackets == 0 {
		return
	}
	conn := m.rtcp.conn
	if m.p.mux {
		conn = m.rtp.conn
	}
	if b := m.sealRTCP(m.compose(bye)); len(b) > 0 && conn.send(b, to) == nil {
		m.count.txRTCP++
	}
}

// remoteRTCP follows the RTP: the peer behind a NAT has another port than it promised.
func (m *stream) remoteRTCP() netip.AddrPort {
	rtpAddr := m.remote()
	switch {
	case m.p.mux || !rtpAddr.IsValid():
		return rtpAddr
	case m.report.source.IsValid() && (m.latch.pinned || m.report.source.Addr() == rtpAddr.Addr()):
		return m.report.source
	case rtpAddr == m.p.promised || rtpAddr.Port() == 0xFFFF:
		return m.p.remoteRTCP
	}
	return netip.AddrPortFrom(rtpAddr.Addr(), rtpAddr.Port()+1)
}

// compose writes a compound packet (RFC 3550 §6.1): a report, our name, perhaps a BYE.
func (m *stream) compose(bye bool) []byte {
	r := &m.report
	b := r.buf[:0]
	sent := m.count.txPackets != r.said
	r.said = m.count.txPackets
	if sent {
		b = m.senderReport(b)
	} else {
		b = rtcpHeader(b, rtcpRR, m.tx.ssrc)
	}
	b = m.reportBlock(b)
	b = endRTCP(b, 0)
	from := len(b)
	b = rtcpHeader(b, rtcpSDES, m.tx.ssrc)
	b[from] |= 1
	b = append(b, 1, byte(len(r.cname)))
	b = append(b, r.cname...)
	for b = append(b, 0); len(b)%4 != 0; { // RFC 3550 §6.5: at least one null ends the items
		b = append(b, 0)
	}
	b = endRTCP(b, from)
	b = m.answerReceiverTime(b)
	if bye {
		from = len(b)
		b = rtcpHeader(b, rtcpBYE, m.tx.ssrc)
		b[from] |= 1
		b = endRTCP(b, from)
	}
	return b
}

func rtcpHeader(b []byte, kind byte, ssrc uint32) []byte {
	b = append(b, 2<<6, kind, 0, 0)
	return binary.BigEndian.AppendUint32(b, ssrc)
}

// endRTCP fills in the length of the packet that begins at from.
func endRTCP(b []byte, from int) []byte {
	binary.BigEndian.PutUint16(b[from+2:], uint16((len(b)-from)/4-1))
	return b
}

// senderReport is the SR's header and sender info (RFC 3550 §6.4.1).
func (m *stream) senderReport(b []byte) []byte {
	b = rtcpHeader(b, rtcpSR, m.tx.ssrc)
	now := m.now()
	b = binary.BigEndian.AppendUint64(b, ntpTime(now))
	since := uint32(now.Sub(m.tx.at).Milliseconds() * int64(m.p.format.ClockRate) / 1000)
	b = binary.BigEndian.AppendUint32(b, m.tx.ts+since)
	b = binary.BigEndian.AppendUint32(b, uint32(m.count.txPackets))
	return binary.BigEndian.AppendUint32(b, uint32(m.count.txBytes-m.count.txPackets*rtp.HeaderSize))
}

// reportBlock describes what we received, if anything.
func (m *stream) reportBlock(b []byte) []byte {
	rep, ok := m.rx.Report()
	if !ok {
		return b
	}
	b[0] |= 1
	b = binary.BigEndian.AppendUint32(b, rep.SSRC)
	b = binary.BigEndian.AppendUint32(b, uint32(rep.FractionLost)<<24|rep.Lost&0xFFFFFF)
	b = binary.BigEndian.AppendUint32(b, rep.Highest)
	b = binary.BigEndian.AppendUint32(b, rep.Jitter)
	b = binary.BigEndian.AppendUint32(b, m.report.heard)
	delay := uint32(0)
	if m.report.heard != 0 {
		delay = uint32(m.now().Sub(m.report.at) * 65536 / time.Second)
	}
	return binary.BigEndian.AppendUint32(b, delay)
}

// ntpTime is t as NTP writes it: seconds since 1900 and their fraction (RFC 3550 §4).
func ntpTime(t time.Time) uint64 {
	const from1900 = 2208988800
	frac := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return uint64(t.Unix()+from1900)<<32 | frac
}

// receiveRTCP reads what the peer reports. Only the host that sends its RTP may.
func (m *stream) receiveRTCP(b []byte, from netip.AddrPort) {
	if m.p == nil {
		return
	}
	if ip := from.Addr(); ip != m.remote().Addr() && ip != m.p.promised.Addr() {
		m.count.strangers++
		return
	}
	if b = m.openRTCP(b); b == nil {
		return
	}
	if !m.readRTCP(b) {
		m.count.malformed++
		return
	}
	m.count.rxRTCP++
	m.last, m.report.source = m.now(), from
}

// readRTCP walks a compound packet; false if it is none.
func (m *stream) readRTCP(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	for len(b) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if b[0]>>6 != 2 || size > len(b) {
			return false
		}
		switch p := b[:size]; {
		case p[1] == rtcpSR && size >= 28:
			m.report.heard, m.report.at = binary.BigEndian.Uint32(p[10:]), m.now()
			m.readBlocks(p[28:], int(p[0]&31))
		case p[1] == rtcpRR && size >= 8:
			m.readBlocks(p[8:], int(p[0]&31))
		case p[1] == rtcpXR && size >= 8:
			m.readXR(p[4:])
		}
		b = b[size:]
	}
	return len(b) == 0
}

// readBlocks finds the report on our stream: what the peer has missed of it, and the round
// trip (RFC 3550 §6.4.1).
func (m *stream) readBlocks(b []byte, count int) {
	for ; count > 0 && len(b) >= 24; count, b = count-1, b[24:] {
		if binary.BigEndian.Uint32(b) != m.tx.ssrc {
			continue
		}
		lost := int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8 // signed: duplicates make it negative
		m.report.far.known = true
		m.report.far.lost = uint64(max(lost, 0))
		m.report.far.share = float64(b[4]) / 256
		m.report.far.jitter = ticks(binary.BigEndian.Uint32(b[12:]), m.p.format.ClockRate)
		m.roundTrip(binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:]))
	}
}

// roundTrip is how long our report and the answer to it were under way, less the time that
// the peer held it.
func (m *stream) roundTrip(sent, held uint32) {
	if sent == 0 {
		return
	}
	trip := int32(uint32(ntpTime(m.now())>>16) - sent - held)
	if d := time.Duration(trip) * time.Second / 65536; d >= 0 && d < time.Minute {
		m.report.rtt = d
	}
}

// ticks is n units of a media clock as a time, an hour at most.
func ticks(n uint32, clock int) time.Duration {
	return min(time.Duration(n)*time.Second/time.Duration(clock), time.Hour)
}
