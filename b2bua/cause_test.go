package b2bua

import "testing"

// TestCauses are the tables of RFC 3398 §8.2.6.1 and §7.2.4.1, as far as a row says one thing.
func TestCauses(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]int64{200: 16, 400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22,
		413: 127, 414: 127, 415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
		487: 16, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 302: 127, 699: 127} {
		if got := causeOf(code); got != want {
			t.Errorf("%d has cause %d, want %d", code, got, want)
		}
	}
	for cause, want := range map[int]int{1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 603, 22: 410, 23: 410, 26: 404, 27: 502, 28: 484,
		29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488, 79: 501, 87: 403, 88: 503,
		102: 504, 111: 500, 127: 500, 16: 480, 0: 480, 99: 480} {
		if got := causeFailure(cause).Code; got != want {
			t.Errorf("cause %d is told as %d, want %d", cause, got, want)
		}
	}
}

// TestReasonHeader: the cause in a Reason header, whatever stands beside it.
func TestReasonHeader(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{
		"Q.850;cause=16;text=\"Terminated\"": 16, "q.850 ; Cause = 34": 34, "SIP;cause=200, Q.850;cause=27": 27,
		"SIP;cause=486": 0, "Q.850": 0, "Q.850;cause=x": 0, "Q.850;cause=99999": 0, "": 0,
	} {
		if got := q850Of(value); got != want {
			t.Errorf("%q has cause %d, want %d", value, got, want)
		}
	}
}
