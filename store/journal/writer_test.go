package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tandem/store"
)

var errDown = errors.New("the database is down")

// table is a database in memory that can be slow, down, or refuse a call.
type table struct {
	mu     sync.Mutex
	rows   map[string]string // id to state
	legs   map[string]int
	writes int
	down   bool
	slow   time.Duration
	refuse string
}

func newTable() *table { return &table{rows: map[string]string{}, legs: map[string]int{}} }

func (d *table) set(change func(*table)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *table) Write(ctx context.Context, batch []*Entry) error {
	d.mu.Lock()
	slow := d.slow
	d.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	if d.down {
		return errDown
	}
	for _, e := range batch {
		if e.Call.ID == d.refuse {
			return errRefused
		}
	}
	ended := func(state string) bool { return state != "" && state != store.StateOpen && state != store.StateLost }
	for _, e := range batch {
		if ended(e.Call.State) || !ended(d.rows[e.Call.ID]) {
			d.rows[e.Call.ID] = e.Call.State
		}
		if e.Finished {
			d.legs[e.Call.ID] = len(e.Legs)
		}
	}
	return nil
}

var errRefused = errors.New("no")

func (*table) Refused(err error) bool { return errors.Is(err, errRefused) }

func (d *table) states() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.rows)
}

func begin(t *testing.T, d Sink, o Options) *Writer {
	t.Helper()
	o.Log, o.Node = slog.New(slog.DiscardHandler), "test"
	w, err := Start(d, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func call(n int, state string) *store.Call {
	return &store.Call{ID: fmt.Sprintf("call%05d", n), StartMS: 1_000_000 + int64(n), State: state, ToUser: "1002"}
}

func within(t *testing.T, w *Writer, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := w.Flush(ctx); err != nil {
		t.Fatalf("flush: %v, health %+v", err, w.Health())
	}
}

func spoolFiles(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestADatabaseThatIsDown: what happens meanwhile is on disk, not in memory, and goes in later.
func TestADatabaseThatIsDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		w := begin(t, d, Options{Spool: dir})
		w.Open(call(1, store.StateOpen))
		within(t, w, time.Second)
		d.set(func(d *table) { d.down = true })
		const calls = 600
		for i := range calls {
			w.Open(call(i, store.StateOpen))
			if i%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		h := w.Health()
		if !errors.Is(h.Err, errDown) || h.Queued != 0 || h.QueuedBytes != 0 || h.Spooled < calls || h.SpooledBytes == 0 || h.Dropped != 0 {
			t.Errorf("while it is down: %+v", h)
		}
		for i := range calls / 2 { // the other half goes on
			w.Finish(call(i, store.StateAnswered), []store.Leg{{Seq: 1}}, nil)
		}
		time.Sleep(time.Second)
		d.set(func(d *table) { d.down = false })
		within(t, w, time.Minute)
		if h := w.Health(); h.Err != nil || h.Spooled != 0 || h.SpooledBytes != 0 || h.Queued != 0 || h.Dropped+h.Shed != 0 {
			t.Errorf("afterwards: %+v", h)
		}
		for i := range calls {
			want := store.StateOpen
			if i < calls/2 {
				want = store.StateAnswered
			}
			if got := d.states()[call(i, "").ID]; got != want {
				t.Fatalf("call %d is %q, want %s", i, got, want)
			}
		}
		if len(d.legs) != calls/2 {
			t.Errorf("%d calls have legs", len(d.legs))
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if files := spoolFiles(t, dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestASlowDatabase: a batch that takes long is on disk after a moment, and so is what comes
// behind it; when it is written after all, its copy goes.
func TestASlowDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.slow = 10 * time.Second
		w := begin(t, d, Options{Spool: dir})
		w.Open(call(1, store.StateOpen))
		time.Sleep(20 * time.Millisecond) // it is being written
		w.Open(call(2, store.StateOpen))
		time.Sleep(200 * time.Millisecond)
		if h := w.Health(); h.Spooled != 2 {
			t.Errorf("after 200 ms: %+v", h)
		}
		w.Finish(call(1, store.StateBusy), nil, nil)
		time.Sleep(10 * time.Second)
		if h := w.Health(); h.Written != 1 || h.Spooled != 2 {
			t.Errorf("after the batch: %+v", h)
		}
		d.set(func(d *table) { d.slow = 0 })
		within(t, w, 30*time.Second)
		want := map[string]string{"call00001": store.StateBusy, "call00002": store.StateOpen}
		if got := d.states(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestTheSpoolCatchesUpUnderLoad: calls go on coming while the spool is written.
func TestTheSpoolCatchesUpUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.down, d.slow = true, 30*time.Millisecond
		w := begin(t, d, Options{Spool: dir})
		for i := range 4000 {
			w.Finish(call(i, store.StateAnswered), nil, nil)
			if i == 1000 {
				d.set(func(d *table) { d.down = false })
			}
			time.Sleep(time.Millisecond)
		}
		if h := w.Health(); h.Spooled > 0 || h.Queued > 200 {
			t.Errorf("it did not catch up: %+v", h)
		}
		within(t, w, 10*time.Second)
		if n := len(d.states()); n != 4000 {
			t.Errorf("%d calls", n)
		}
		w.Close()
	})
}

// TestTheNextStartTakesTheSpoolIn: a database that is down while we close loses nothing; what
// was up has been lost with the process.
func TestTheNextStartTakesTheSpoolIn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := newTable()
	d.down = true
	w := begin(t, d, Options{Spool: dir})
	w.Open(call(1, store.StateOpen))
	w.Open(call(2, store.StateOpen))
	waitSpooled(t, w, 2)
	w.Finish(call(2, store.StateAnswered), []store.Leg{{Seq: 1}}, []store.Event{{Text: "x"}})
	if err := w.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	d.set(func(d *table) { d.down = false; d.rows["call00003"] = store.StateAnswered })
	w = begin(t, d, Options{Spool: dir})
	if _, err := Start(d, Options{Spool: dir, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("two writers on one spool: %v", err)
	}
	within(t, w, 20*time.Second)
	want := map[string]string{"call00001": store.StateLost, "call00002": store.StateAnswered, "call00003": store.StateAnswered}
	if got := d.states(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if files := spoolFiles(t, dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func waitSpooled(t *testing.T, w *Writer, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); w.Health().Spooled < n; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %d in the spool: %+v", n, w.Health())
		}
	}
}

// TestADamagedSpool: whatever a power cut or a bad disk did to a file, the rest is taken in.
func TestADamagedSpool(t *testing.T) {
	t.Parallel()
	whole := func() []byte {
		var b []byte
		for i := range 5 {
			var err error
			if b, err = appendFrame(b, &Entry{Call: *call(i, store.StateAnswered), Finished: true}); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	frame := len(whole()) / 5
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   []int
	}{
		"whole":            {func(b []byte) []byte { return b }, []int{0, 1, 2, 3, 4}},
		"torn tail":        {func(b []byte) []byte { return b[:len(b)-frame/2] }, []int{0, 1, 2, 3}},
		"torn head":        {func(b []byte) []byte { return b[:len(b)-frame+3] }, []int{0, 1, 2, 3}},
		"zeroes at end":    {func(b []byte) []byte { return append(b[:4*frame], make([]byte, 5000)...) }, []int{0, 1, 2, 3}},
		"a flipped bit":    {func(b []byte) []byte { b[2*frame+frame/2] ^= 1; return b }, []int{0, 1, 3, 4}},
		"a huge length":    {func(b []byte) []byte { b[frame+4] = 0xff; return b }, []int{0, 2, 3, 4}},
		"rubbish at first": {func(b []byte) []byte { return append([]byte("rubbish TnDrTnDr"), b...) }, []int{0, 1, 2, 3, 4}},
		"empty":            {func([]byte) []byte { return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%016d.spool", 7)), c.damage(whole()), 0o600); err != nil {
				t.Fatal(err)
			}
			d := newTable()
			w := begin(t, d, Options{Spool: dir})
			within(t, w, 20*time.Second)
			want := map[string]string{}
			for _, n := range c.want {
				want[call(n, "").ID] = store.StateAnswered
			}
			if got := d.states(); !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if files := spoolFiles(t, dir); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestAFullSpool: beyond its bound records wait in memory, beyond that they are counted.
func TestAFullSpool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.down = true
		const memory, disk = 1 << 18, 1 << 18
		w := begin(t, d, Options{Spool: dir, QueueBytes: memory, SpoolBytes: disk})
		put := 0
		for ; w.Health().Dropped == 0; put++ {
			w.Finish(call(put, store.StateAnswered), nil, []store.Event{{Text: strings.Repeat("x", 500)}})
			if put%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			if put > 1_000_000 {
				t.Fatal("no bound")
			}
		}
		h := w.Health()
		if h.SpooledBytes > disk || h.QueuedBytes > memory || h.Spooled == 0 || h.Queued == 0 {
			t.Errorf("full: %+v", h)
		}
		d.set(func(d *table) { d.down = false })
		within(t, w, time.Minute)
		if n := uint64(len(d.states())) + w.Health().Dropped; n != uint64(put) {
			t.Errorf("%d written or counted of %d", n, put)
		}
		w.Close()
	})
}

// TestASpoolThatCannotBeWritten: its folder has gone; memory is left.
func TestASpoolThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.down = true
		w := begin(t, d, Options{Spool: dir})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			w.Open(call(i, store.StateOpen))
			time.Sleep(time.Millisecond)
		}
		if h := w.Health(); h.Spooled != 0 || h.Queued == 0 || h.Dropped != 0 {
			t.Errorf("%+v", h)
		}
		d.set(func(d *table) { d.down = false })
		within(t, w, time.Minute)
		if n := len(d.states()); n != 500 {
			t.Errorf("%d calls", n)
		}
		w.Close()
	})
}

func TestWhatCannotBeKeptIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.down = true
		w := begin(t, d, Options{})
		for i := range 3 {
			w.Open(call(i, store.StateOpen))
		}
		if err := w.Close(); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "3 call records") {
			t.Errorf("close: %v", err)
		}
	})
}

func TestARefusedCallHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := newTable()
		d.refuse, d.down = "call00007", true
		w := begin(t, d, Options{Spool: dir})
		for i := range 10 {
			w.Open(call(i, store.StateOpen))
		}
		time.Sleep(time.Second) // in the spool
		for i := range 10 {
			w.Open(call(10+i, store.StateOpen))
		}
		d.set(func(d *table) { d.down = false })
		within(t, w, time.Minute)
		if h := w.Health(); len(d.states()) != 19 || h.Dropped != 1 || h.Err != nil {
			t.Errorf("%d calls, %+v", len(d.states()), h)
		}
		w.Close()
	})
}

// TestOrderInTheQueue: an entry keeps its place, later states fold into it.
func TestOrderInTheQueue(t *testing.T) {
	t.Parallel()
	q := newQueue(1 << 20)
	put := func(id, state string, ch change) {
		e := &Entry{Call: store.Call{ID: id, State: state}, Finished: ch == finished, callBytes: 100}
		if ch == finished {
			e.Events, e.eventBytes = []store.Event{{Text: "x"}}, 50
		}
		q.put(e, ch)
	}
	put("a", "open", opened)
	put("b", "answered", finished)
	put("a", "busy", finished)
	put("b", "late", changed) // after its end: the state is newer, the details stay
	put("c", "open", opened)
	var got []string
	batch := q.take()
	for _, e := range batch {
		got = append(got, fmt.Sprintf("%d %s %s %v %d", e.seq, e.Call.ID, e.Call.State, e.Finished, len(e.Events)))
	}
	if want := []string{"1 a busy true 1", "2 b late true 1", "3 c open false 0"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if q.rows != 0 || q.bytes != 150+150+100 {
		t.Errorf("%d rows, %d bytes", q.rows, q.bytes)
	}
	if q.done(batch); q.bytes != 0 || q.taken != 0 {
		t.Errorf("%d bytes, %d taken", q.bytes, q.taken)
	}
}

func FuzzFrames(f *testing.F) {
	b, err := appendFrame(nil, &Entry{Call: store.Call{ID: "a"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(b[:len(b)-3:len(b)-3], b...))
	f.Add([]byte("TnDrTnDr"))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, broken := readFrames(b)
		if broken > len(b) || broken == len(b) && len(entries) > 0 {
			t.Errorf("%d of %d bytes are broken, %d entries", broken, len(b), len(entries))
		}
		var again []byte
		for _, e := range entries {
			var err error
			if again, err = appendFrame(again, e); err != nil {
				t.Fatal(err)
			}
		}
		if back, broken := readFrames(again); len(back) != len(entries) || broken != 0 {
			t.Errorf("%d entries came back of %d, %d bytes broken", len(back), len(entries), broken)
		}
	})
}
