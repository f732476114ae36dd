package pattern

// set is a set of bytes.
type set [4]uint64

func (s *set) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *set) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

func (s *set) addRange(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s.add(byte(c))
	}
}

func (s *set) union(o set) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *set) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// addClass adds the bytes of a class letter: a letters, c control, d digits, l lower case,
// p punctuation, s space, u upper case, w letters and digits, x hexadecimal, z NUL. An upper
// case letter means all other bytes; any other byte stands for itself.
func (s *set) addClass(letter byte) {
	var c set
	lower := letter
	if letter >= 'A' && letter <= 'Z' {
		lower += 'a' - 'A'
	}
	switch lower {
	case 'a':
		c.addRange('a', 'z')
		c.addRange('A', 'Z')
	case 'c':
		c.addRange(0, 31)
		c.add(127)
	case 'd':
		c.addRange('0', '9')
	case 'l':
		c.addRange('a', 'z')
	case 'p':
		c.addRange('!', '/')
		c.addRange(':', '@')
		c.addRange('[', '`')
		c.addRange('{', '~')
	case 's':
		c.addRange('\t', '\r')
		c.add(' ')
	case 'u':
		c.addRange('A', 'Z')
	case 'w':
		c.addRange('0', '9')
		c.addRange('a', 'z')
		c.addRange('A', 'Z')
	case 'x':
		c.addRange('0', '9')
		c.addRange('a', 'f')
		c.addRange('A', 'F')
	case 'z':
		c.add(0)
	default:
		s.add(letter)
		return
	}
	if letter != lower {
		c.invert()
	}
	s.union(c)
}
