//go:build interop

package interop

import (
	"encoding/binary"
	"errors"
)

func wavSamples(b []byte) ([]int16, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" {
		return nil, errors.New("no WAV file")
	}
	for at := 12; at+8 <= len(b); {
		size := int(binary.LittleEndian.Uint32(b[at+4:]))
		if string(b[at:at+4]) == "data" && size > 0 && at+8+size <= len(b) {
			out := make([]int16, size/2)
			for i := range out {
				out[i] = int16(binary.LittleEndian.Uint16(b[at+8+2*i:]))
			}
			return out, nil
		}
		at += 8 + size + size%2
	}
	return nil, errors.New("no samples")
}
