package b2bua

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// why is the Reason header (RFC 3326) that came with the end of one leg, to be told the
// other.
type why struct {
	from  *Leg
	value string
}

// reasonCap bounds what is carried from one side to the other.
const reasonCap = 256

// explained keeps the Reason of a message that ends l; the first one stays.
func (l *Leg) explained(m headerSource) {
	c := l.call()
	v := strings.Join(headersOf(m, "Reason"), ", ")
	if v == "" || len(v) > reasonCap || c.why.value != "" {
		return
	}
	c.why = why{l, v}
	if q := q850Of(v); q > 0 {
		c.q850 = q
	}
}

// q850Of is the Q.850 cause in a Reason header, 0 if it has none.
func q850Of(value string) int64 {
	for one := range strings.SplitSeq(value, ",") {
		protocol, params, _ := strings.Cut(strings.TrimSpace(one), ";")
		if !strings.EqualFold(strings.TrimSpace(protocol), "Q.850") {
			continue
		}
		for p := range strings.SplitSeq(params, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 16); err == nil && strings.EqualFold(strings.TrimSpace(k), "cause") {
				return n
			}
		}
	}
	return 0
}

// reason is the header that tells l why it ends: a Q.850 cause of ours, or what the other
// side said.
func (l *Leg) reason(cause int) (sip.Header, bool) {
	if cause > 0 {
		return sip.NewHeader("Reason", fmt.Sprintf("Q.850;cause=%d", cause)), true
	}
	if w := l.call().why; w.value != "" && w.from != l {
		return sip.NewHeader("Reason", w.value), true
	}
	return nil, false
}
