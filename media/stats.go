package media

import (
	"net/netip"
	"time"
)

// Stats is what a session has measured since it was opened.
type Stats struct {
	RxPackets, TxPackets uint64 // RTP; received ones are those of the latched peer
	RxBytes, TxBytes     uint64 // payload and header
	Lost                 uint64 // never received
	OutOfOrder           uint64
	Duplicates           uint64
	Strangers            uint64 // packets from addresses other than the peer's: ignored
	Malformed            uint64 // not RTP, or of a payload type never agreed on
	Forged               uint64 // packets under another key than the peer's, or sent again by somebody
	SendErrors           uint64
	RxRTCP, TxRTCP       uint64
	Underruns            uint64 // frames that a prompt was not ready for
	Skipped              uint64 // frames given up because the worker was late
	Digits               uint64
	Transcoded           uint64 // packets of the bridged leg sent on in another codec

	Jitter     time.Duration  // RFC 3550 A.8
	RTT        time.Duration  // 0: not known
	MOS        float64        // estimate from codec, loss and delay, 1 to 4.5; 0: nothing received
	FarLost    uint64         // packets of ours that the peer says it has missed
	FarJitter  time.Duration  // as the peer reports it; 0: it does not
	FarMOS     float64        // as the peer estimates it (RFC 3611); 0: it does not
	FirstRTP   time.Time      // zero: none
	LastRTP    time.Time      // RTP or RTCP
	Codec      string         // "PCMU"; "" before offer and answer
	Encryption string         // how SRTP got its keys: "sdes", "dtls"; "off" for plain RTP
	Remote     netip.AddrPort // where we send
	Promised   netip.AddrPort // where the peer's SDP said it listens
	Stranger   netip.AddrPort // from where packets came last that were not taken for the peer's; not valid: none
	Latched    bool           // Remote was learnt from its packets
	Local      netip.AddrPort // as in our SDP
	Recovered  bool           // a fault of ours ended it
}
