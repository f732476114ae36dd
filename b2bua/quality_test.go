package b2bua

import (
	"context"
	"slices"
	"testing"
	"time"

	"tandem/media"
)

// TestQualityInTheTimeline tells once that a leg is heard badly, and once that it is well
// again, though it comes close to the border in between.
func TestQualityInTheTimeline(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		if err := c.Answer(ctx, nil); err != nil {
			return err
		}
		for _, mos := range []float64{4.3, 3.3, 3.0, 2.2, 3.3, 3.0, 3.9, 4.3} {
			c.first.mediaEvent(media.Event{Kind: media.EventQuality, Quality: media.Quality{Expected: 200, Lost: 30, Jitter: 12 * time.Millisecond, MOS: mos}})
		}
		c.first.mediaEvent(media.Event{Kind: media.EventQuality}) // nothing came
		return c.first.Sleep(ctx, time.Second)
	}, func(w *world) {
		a := w.peer(1)
		a.talks("5")
		a.hungUp()
		var got []string
		for _, e := range w.last().Events {
			if e.Kind == "media" {
				got = append(got, e.Text)
			}
		}
		want := []string{"heard badly: MOS 3.0, 15.0% lost, jitter 12 ms", "heard well again: MOS 3.9"}
		if !slices.Equal(got, want) {
			t.Errorf("the timeline has %q, want %q", got, want)
		}
	})
}
