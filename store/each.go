package store

import "context"

const eachPage = 1000

// Each calls fn with the records that f selects, newest first, page by page, so that
// reading millions holds neither their memory nor a long transaction. f.Limit bounds
// the total, beyond MaxLimit too; 0 is all. It returns the cursor after the last row
// when more rows follow, and fn's error as it is.
func Each(ctx context.Context, r Reader, f Filter, fn func(*Call) error) (next string, err error) {
	left := f.Limit
	for {
		f.Limit = eachPage
		if left > 0 {
			f.Limit = min(left, eachPage)
		}
		rows, next, err := r.Calls(ctx, f)
		if err != nil {
			return "", err
		}
		for i := range rows {
			if err := fn(&rows[i]); err != nil {
				return "", err
			}
		}
		left -= len(rows)
		if next == "" || left == 0 {
			return next, nil
		}
		f.After = next
	}
}
