package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tandem/store"
	"tandem/store/sqlite"
)

// question is a line of the table: what we are asked in the try of a number, and how a person
// would ask SQLite for the same.
type question struct {
	what  string
	bar   time.Duration
	by    store.By // of statistics; "" is a page
	ask   func(try int) store.Filter
	plain func(try int) string
}

const pageSQL = " ORDER BY start_ms DESC, id DESC LIMIT 50"

func (b *bench) questions() []question {
	number := func(try int) string { return fmt.Sprintf("+44207%07d", try*35023%900000) }
	deep := func(try int) int { return b.calls / (try + 2) }
	where := func(cond string) func(int) string {
		return func(int) string { return "SELECT * FROM calls WHERE " + cond + pageSQL }
	}
	fixed := func(f store.Filter) func(int) store.Filter { return func(int) store.Filter { return f } }
	day := newest().Add(-36 * time.Hour)
	daySQL := fmt.Sprintf("c.start_ms >= %d AND c.start_ms < %d", day.UnixMilli(), day.Add(24*time.Hour).UnixMilli())
	list := []question{
		{"newest", b.page, "", fixed(store.Filter{}), where("1")},
		{"a time", b.page, "", func(try int) store.Filter {
			return store.Filter{Until: time.UnixMilli(b.startMS(deep(try)))}
		}, func(try int) string { return where(fmt.Sprintf("start_ms < %d", b.startMS(deep(try))))(try) }},
		{"deep page", b.page, "", func(try int) store.Filter {
			return store.Filter{After: fmt.Sprintf("%d.x", b.startMS(deep(try)))}
		}, func(try int) string {
			return "SELECT * FROM calls ORDER BY start_ms DESC, id DESC LIMIT 50 OFFSET " + strconv.Itoa(b.calls-deep(try))
		}},
		{"user", b.page, "", func(try int) store.Filter { return store.Filter{User: strconv.Itoa(1000 + try*17)} },
			func(try int) string { return where(fmt.Sprintf("auth_user = '%d'", 1000+try*17))(try) }},
		{"trunk", b.page, "", fixed(store.Filter{Trunk: "backup"}), where("trunk = 'backup'")},
		{"state", b.page, "", fixed(store.Filter{State: store.StateLost}), where("state = 'lost'")},
		{"flag", b.page, "", fixed(store.Filter{Flag: store.FlagSilent}), where("flags LIKE '%silent%'")},
		{"exact number", b.page, "", func(try int) store.Filter { return store.Filter{To: number(try)} },
			func(try int) string { return where("to_user = '" + number(try) + "'")(try) }},
		{"number that never called", b.page, "", fixed(store.Filter{From: "+15550100"}), where("from_user = '+15550100'")},
		{"frequent prefix", b.prefix, "", fixed(store.Filter{To: "+44*"}), where("to_user GLOB '+44*'")},
		{"rare prefix", b.prefix, "", fixed(store.Filter{To: "+6491570*"}), where("to_user GLOB '+6491570*'")},
		{"rarer prefix", b.prefix, "", func(try int) store.Filter { return store.Filter{To: fmt.Sprintf("+64915700%d*", try%10)} },
			func(try int) string { return where(fmt.Sprintf("to_user GLOB '+64915700%d*'", try%10))(try) }},
		{"ends with, of a day", 0, "", fixed(store.Filter{To: "*00042", Since: newest().Add(-store.Unserved)}), nil},
	}
	for _, by := range store.Groupings() {
		list = append(list, question{"a day by " + string(by), b.stats, by, fixed(store.Filter{Since: day, Until: day.Add(24 * time.Hour)}),
			func(int) string { return statsSQL(by, daySQL) }})
	}
	return list
}

// statsSQL counts what the report needs but for percentiles, which plain SQL has not.
func statsSQL(by store.By, day string) string {
	key, legs := map[store.By]string{store.ByTrunk: "c.trunk", store.ByUser: "c.auth_user", store.ByCode: "c.sip_code",
		store.ByUserAgent: "l.user_agent", store.ByHour: "c.start_ms / 3600000"}[by], "(SELECT avg(mos) FROM legs WHERE call_id = c.id)"
	from := " FROM calls c"
	if by == store.ByUserAgent {
		legs, from = "l.mos", from+" JOIN legs l ON l.call_id = c.id"
	}
	return "SELECT " + key + ", count(*), count(c.answer_ms), avg(c.billable_ms), avg(c.duration_ms), avg(c.pdd_ms), avg(" + legs +
		"), sum(c.flags LIKE '%one_way%'), sum(c.flags LIKE '%silent%')" + from + " WHERE " + day + " GROUP BY 1"
}

// ask asks each question some times, ours and plain SQL in turn, and prints the medians and our worst.
func (b *bench) ask(ctx context.Context) error {
	r, err := sqlite.OpenReader(ctx, b.path)
	if err != nil {
		return err
	}
	defer r.Close()
	sh, err := startShell(b.path)
	if err != nil {
		return err
	}
	defer sh.close()
	fmt.Fprintln(b.table, "question\tours, median\tworst\tbar\tsqlite3 shell\t")
	for _, q := range b.questions() {
		var ours, plain []time.Duration
		for try := range b.tries {
			took, err := timed(ctx, r, q, try)
			if err != nil {
				return fmt.Errorf("%s: %w", q.what, err)
			}
			ours = append(ours, took)
			if q.plain == nil || try >= 3 { // plain SQL can take seconds
				continue
			}
			if took, err = sh.run(q.plain(try)); err != nil {
				return fmt.Errorf("sqlite3: %s: %w", q.what, err)
			}
			plain = append(plain, took)
		}
		worst := slices.Max(ours)
		shell, bar := "", ""
		if len(plain) > 0 {
			shell = round(median(plain)).String()
		}
		if q.bar > 0 {
			bar = q.bar.String()
			b.hold(q.what, median(ours) < q.bar)
		}
		fmt.Fprintf(b.table, "%s\t%v\t%v\t%s\t%s\t\n", q.what, round(median(ours)), round(worst), bar, shell)
	}
	return nil
}

func timed(ctx context.Context, r *sqlite.Reader, q question, try int) (time.Duration, error) {
	f := q.ask(try)
	began := time.Now()
	var err error
	if q.by != "" {
		_, err = r.Stats(ctx, f, q.by)
	} else {
		_, _, err = r.Calls(ctx, f)
	}
	return time.Since(began), err
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
