package store

import "strings"

// By is what statistics are grouped by.
type By string

const (
	ByTrunk     By = "trunk"
	ByUser      By = "user"       // auth_user
	ByCode      By = "code"       // sip_code
	ByUserAgent By = "user_agent" // each leg counts as a call, under its phone's User-Agent
	ByHour      By = "hour"       // of start_ms
)

// Groupings lists the values of By.
func Groupings() []By { return []By{ByTrunk, ByUser, ByCode, ByUserAgent, ByHour} }

// ParseBy reads a By; the error is a *FilterError.
func ParseBy(s string) (By, error) {
	var known []string
	for _, b := range Groupings() {
		if string(b) == s {
			return b, nil
		}
		known = append(known, string(b))
	}
	return "", &FilterError{"by", s, "want one of " + strings.Join(known, ", ")}
}

// Stat is one group of finished calls. Groups come with the most calls first, hours in order.
type Stat struct {
	// Key is the group: a name, a code, or the start of the hour in RFC 3339 and UTC; "" has none.
	Key      string `json:"key"`
	Calls    int64  `json:"calls"`
	Answered int64  `json:"answered"`
	// ASR is the answer-seizure ratio in percent.
	ASR float64 `json:"asr"`
	// ACDMS is the average billable time of answered calls, AvgDurationMS of start to end over all.
	ACDMS         int64 `json:"acd_ms"`
	AvgDurationMS int64 `json:"avg_duration_ms"`
	// PDDP50MS and PDDP95MS are percentiles (nearest rank) of the calls that have a PDD; 0 = none.
	PDDP50MS int64 `json:"pdd_p50_ms"`
	PDDP95MS int64 `json:"pdd_p95_ms"`
	// MOS is the mean over legs that have one; 0 = none.
	MOS    float64 `json:"mos"`
	OneWay int64   `json:"one_way"`
	Silent int64   `json:"silent"`
}
