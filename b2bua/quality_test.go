package b2bua

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"tandem/media"
	"tandem/store"
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
		if now, ok := c.server.Snapshot(ctx, c.id); !ok || now.Legs[0].Quality.MOS != 4.3 || now.Legs[0].Quality.Lost != 30 {
			t.Errorf("whoever asks is told %+v", now)
		}
		c.first.mediaEvent(media.Event{Kind: media.EventQuality}) // nothing came
		return c.first.Sleep(ctx, time.Second)
	}, func(w *world) {
		a := w.peer(1)
		a.talks("5")
		a.hungUp()
		var got []string
		for _, e := range w.last().Events {
			if strings.HasPrefix(e.Text, "heard") {
				got = append(got, e.Text)
			}
		}
		want := []string{"heard badly: MOS 3.0, 15.0% lost, jitter 12 ms", "heard well again: MOS 3.9"}
		if !slices.Equal(got, want) {
			t.Errorf("the timeline has %q, want %q", got, want)
		}
	})
}

// TestWhoWasNotHeard keeps in the timeline why a call had no sound.
func TestWhoWasNotHeard(t *testing.T) {
	inWorld(t, func(ctx context.Context, c *Call) error {
		tone, err := media.ParseTone("tone:425/5000")
		if err != nil {
			return err
		}
		_, err = c.first.Play(ctx, []media.Source{tone}, PlayOptions{})
		return err
	}, func(w *world) {
		a := w.peer(1)
		a.talks("5")
		a.hungUp()
		r := w.last()
		i := slices.IndexFunc(r.Events, func(e store.Event) bool {
			return strings.HasPrefix(e.Text, "nothing was heard from it: it promised 10.0.")
		})
		if i < 0 || !strings.HasSuffix(r.Events[i].Text, "a private address, and no packets came from anywhere") {
			t.Errorf("events %+v", r.Events)
		}
	})
}

func TestLateness(t *testing.T) {
	t.Parallel()
	l := &Leg{}
	e := media.Event{At: time.Unix(1000, 0), Remote: netip.MustParseAddrPort("192.0.2.1:4000")}
	for answered, want := range map[time.Time]string{
		{}:                                 "",
		e.At.Add(-time.Second):             "",
		e.At.Add(-2500 * time.Millisecond): " late, 2.5 s after the answer,",
	} {
		if l.rec.answered = answered; l.lateness(e) != want {
			t.Errorf("answered at %v: %q, want %q", answered, l.lateness(e), want)
		}
	}
}
