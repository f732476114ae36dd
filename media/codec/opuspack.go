package codec

// PackOpus joins the packets of OpusFrameBytes that fill b, all of one kind as our encoder
// makes them, into one packet in their place, and returns its length.
//
// RFC 6716 §3.2: one or two frames are told by the TOC byte alone, more of one length by a
// byte with their count.
func PackOpus(b []byte) int {
	frames := len(b) / OpusFrameBytes
	if frames < 2 {
		return len(b)
	}
	n := 1 // where the first frame stands
	if frames == 2 {
		b[0] |= 1
	} else {
		b[0] |= 3
		copy(b[2:], b[1:OpusFrameBytes])
		b[1], n = byte(frames), 2
	}
	n += OpusFrameBytes - 1
	for i := 1; i < frames; i++ {
		n += copy(b[n:], b[i*OpusFrameBytes+1:(i+1)*OpusFrameBytes])
	}
	return n
}

// OpusTicks is how much sound a packet holds, in samples at 48000 Hz; 0 if it is broken.
func OpusTicks(packet []byte) int {
	if len(packet) == 0 {
		return 0
	}
	// RFC 6716 §3.1: the TOC byte tells mode and length of the frames, in samples here.
	config, frame := packet[0]>>3, 0
	switch {
	case config < 12:
		frame = [...]int{480, 960, 1920, 2880}[config&3]
	case config < 16:
		frame = [...]int{480, 960}[config&1]
	default:
		frame = [...]int{120, 240, 480, 960}[config&3]
	}
	switch packet[0] & 3 {
	case 0:
		return frame
	case 1, 2:
		return 2 * frame
	}
	if len(packet) < 2 {
		return 0
	}
	return min(frame*int(packet[1]&63), 5760)
}
