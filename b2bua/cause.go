package b2bua

// Q.850 causes that are not told by a status.
const (
	noAnswer        = 19  // from the user, who was alerted
	recoveryOnTimer = 102 // an answer that never came
)

// causeOf is the Q.850 cause of a SIP status.
//
// RFC 3398 §8.2.6.1; what its table leaves out is 127, interworking.
func causeOf(code int) int64 {
	switch code {
	case 200, 487:
		return 16 // normal clearing: §8.2.3 for an INVITE that was cancelled
	case 404, 604:
		return 1
	case 486, 600:
		return 17
	case 480:
		return 18
	case 401, 402, 403, 407, 603:
		return 21
	case 410:
		return 22
	case 482, 483:
		return 25
	case 484:
		return 28
	case 502:
		return 38
	case 400, 481, 500, 503:
		return 41
	case 405:
		return 63
	case 488, 606:
		return 65 // no warning code is looked at
	case 406, 415, 501:
		return 79
	case 408, 504:
		return recoveryOnTimer
	case 485:
		return 1
	}
	return 127
}

// causeFailure is the final response that tells a Q.850 cause; 480 for one that says nothing of
// why the callee is not there.
//
// RFC 3398 §7.2.4.1; of its choices for 21 it is the one for a user who rejects.
func causeFailure(cause int) *Failure {
	switch cause {
	case 1, 2, 3, 26:
		return failure(404, "")
	case 17:
		return failure(486, "")
	case 18:
		return failure(408, "")
	case 21:
		return failure(603, "")
	case 22, 23:
		return failure(410, "")
	case 27:
		return failure(502, "")
	case 28:
		return failure(484, "")
	case 29, 79:
		return failure(501, "")
	case 34, 38, 41, 42, 47, 58, 88:
		return failure(503, "")
	case 55, 57, 87:
		return failure(403, "")
	case 65, 70:
		return failure(488, "")
	case recoveryOnTimer:
		return failure(504, "")
	case 111, 127:
		return failure(500, "")
	}
	return failure(480, "") // 19, 20, 31 and all others
}
