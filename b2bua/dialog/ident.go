package dialog

import "crypto/rand"

// magicCookie starts each branch of an RFC 3261 element, §8.1.1.7.
const magicCookie = "z9hG4bK"

// NewTag makes a From or To tag: 80 random bits, RFC 3261 §19.3 asks for 32.
func NewTag() string { return rand.Text()[:16] }

// NewCallID makes a Call-ID of 130 random bits; it names no host.
func NewCallID() string { return rand.Text() }

// NewBranch makes a Via branch of 100 random bits, RFC 3261 §8.1.1.7.
func NewBranch() string { return magicCookie + rand.Text()[:20] }
