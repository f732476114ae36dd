package main

import (
	"fmt"
	"time"

	"tandem/media"
	"tandem/web"
)

// qualityView is nil while nothing has been reported.
func qualityView(q media.Quality) *web.Quality {
	if q.Expected == 0 && !q.Far {
		return nil
	}
	out := &web.Quality{MOS: known(q.MOS), JitterMS: millis(q.Jitter), RTTMS: known(millis(q.RTT))}
	if q.Expected > 0 {
		loss := 100 * float64(q.Lost) / float64(q.Expected)
		out.Loss = &loss
	}
	if q.Far {
		out.Far = &web.FarQuality{MOS: known(q.FarMOS), Loss: 100 * q.FarLost, JitterMS: millis(q.FarJitter)}
	}
	return out
}

// known is nil for 0, which stands for what nobody has measured.
func known(v float64) *float64 {
	if v == 0 {
		return nil
	}
	return &v
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// qualityCells are the columns of a leg in a table: how it is heard, and how it hears us.
func qualityCells(q *web.Quality) []any {
	if q == nil {
		return []any{"-", "-", "-", "-", "-"}
	}
	far := "-"
	if f := q.Far; f != nil {
		far = fmt.Sprintf("%.1f%% lost, jitter %.0f ms", f.Loss, f.JitterMS)
		if f.MOS != nil {
			far = fmt.Sprintf("MOS %.1f, %s", *f.MOS, far)
		}
	}
	return []any{figure(q.MOS, "%.1f"), figure(q.Loss, "%.1f%%"), fmt.Sprintf("%.0f ms", q.JitterMS), figure(q.RTTMS, "%.0f ms"), far}
}

func figure(v *float64, format string) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}
