package scripting

import "fmt"

// Suggest ends a message about an unknown name with " (did you mean this?)", or with nothing
// where none of the known ones is close.
func Suggest(name string, known []string) string { return didYouMean(name, known) }

// didYouMean ends a message about an unknown name with the known one closest to it.
func didYouMean(name string, known []string) string {
	best, least := "", len(name)/2+1
	for _, k := range known {
		if d := distance(name, k); d < least || d == least && best != "" && k < best {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is how many letters must be inserted, dropped, changed or swapped with their neighbour.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	var above []int
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		above, before = before, append([]int(nil), row...)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(before[j]+1, row[j-1]+1, before[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], above[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
