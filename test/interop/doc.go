// Package interop calls the real binary with peers that nobody here wrote: SIPp
// for SIP's corners and for counting RTP, baresip for registration, digest,
// DTMF and sound, Kamailio as a proxy in the path. The tests stand behind the
// build tag interop, because they need those programs: make test installs them
// and runs everything.
package interop
