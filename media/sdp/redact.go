package sdp

import "bytes"

// Redact replaces what is secret in a message that holds a session description, the keys of
// SRTP and the password of ICE, by asterisks of the same length. It returns b itself where
// there is nothing to hide, else a copy. Use it for whatever a person may read or a file keep.
func Redact(b []byte) []byte {
	out, copied := b, false
	for from := 0; from < len(b); {
		end := from + bytes.IndexAny(b[from:], "\r\n")
		if end < from {
			end = len(b)
		}
		if at := secretAt(b[from:end]); at >= 0 {
			if !copied {
				out, copied = bytes.Clone(b), true
			}
			for i := from + at; i < end; i++ {
				out[i] = '*'
			}
		}
		from = end + 1
	}
	return out
}

// secretAt finds where the secret of a line begins; -1 if it has none.
func secretAt(line []byte) int {
	line = bytes.Clone(line)
	for i, c := range line { // not bytes.ToLower: it makes three bytes of one that is no UTF-8
		if c >= 'A' && c <= 'Z' {
			line[i] = c | 0x20
		}
	}
	trimmed := bytes.TrimLeft(line, " \t")
	skipped := len(line) - len(trimmed)
	switch {
	case bytes.HasPrefix(trimmed, []byte("a=crypto:")):
		if i := bytes.Index(line, []byte("inline:")); i >= 0 {
			return i + len("inline:")
		}
		return skipped + len("a=crypto:")
	case bytes.HasPrefix(trimmed, []byte("a=ice-pwd:")):
		return skipped + len("a=ice-pwd:")
	case bytes.HasPrefix(trimmed, []byte("a=key-mgmt:")): // RFC 4567
		return skipped + len("a=key-mgmt:")
	case bytes.HasPrefix(trimmed, []byte("k=")): // RFC 8866 §5.12
		return skipped + len("k=")
	}
	return -1
}
