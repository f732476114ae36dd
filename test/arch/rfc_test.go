package arch

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/rfc.md says of each RFC what is done; the code says it by citing the RFC where it
// follows it. These tests hold the two together: whoever cites a new RFC adds its row, and
// whoever builds what a row calls "no" changes the row.
const rfcPage = "../../docs/rfc.md"

var (
	// "RFC 3261", also as the head of a list: "RFC 1918, 6598, 4193", "RFC 3323/3325".
	citation = regexp.MustCompile(`RFC (\d{3,5})((?:(?:, |/| and )\d{4,5}\b)*)`)
	number   = regexp.MustCompile(`\d{3,5}`)
	// "RFC 3261 §18.1.1, §18.2" and "RFC 3550 A.8": all sections that follow the number.
	sections = regexp.MustCompile(`RFC (\d{3,5}) ((?:§\S+|and|,|\s)+)`)
	section  = regexp.MustCompile(`§([^\s,;:)"'/]*[^\s,;:)"'/.])`)
)

// rfcRow is one line of the tables in docs/rfc.md.
type rfcRow struct {
	line                     int
	title, state, done, open string
}

func rfcRows(t *testing.T) map[int]rfcRow {
	t.Helper()
	b, err := os.ReadFile(rfcPage)
	if err != nil {
		t.Fatal(err)
	}
	rows, last := map[int]rfcRow{}, 0
	for i, line := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(line, "#") {
			last = 0
		}
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| RFC ") || strings.HasPrefix(line, "| ---") ||
			strings.HasPrefix(line, "| state ") || strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		n, err := strconv.Atoi(cells[0])
		if len(cells) != 5 || err != nil {
			t.Errorf("rfc.md:%d: not a row of five columns: %s", i+1, line)
			continue
		}
		if _, twice := rows[n]; twice {
			t.Errorf("rfc.md:%d: a second row of RFC %d", i+1, n)
		}
		if n < last {
			t.Errorf("rfc.md:%d: RFC %d stands after RFC %d", i+1, n, last)
		}
		last = n
		rows[n] = rfcRow{i + 1, cells[1], cells[2], cells[3], cells[4]}
	}
	if len(rows) < 40 {
		t.Fatalf("%d rows: the test looks at nothing", len(rows))
	}
	return rows
}

// cited finds each RFC that non-test code cites, with the places.
func cited(t *testing.T) map[int][]string {
	t.Helper()
	where := map[int][]string{}
	eachLine(t, func(place, line string) {
		for _, m := range citation.FindAllStringSubmatch(line, -1) {
			for _, s := range append([]string{m[1]}, number.FindAllString(m[2], -1)...) {
				n, _ := strconv.Atoi(s)
				where[n] = append(where[n], place)
			}
		}
	})
	return where
}

// eachLine calls f for each line of the module's Go code that is not a test.
func eachLine(t *testing.T, f func(place, line string)) {
	t.Helper()
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(b), "\n") {
			f(fmt.Sprintf("%s:%d", strings.TrimPrefix(filepath.ToSlash(name), "../../"), i+1), line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryRFCCitedHasARow(t *testing.T) {
	rows := rfcRows(t)
	where := cited(t)
	for _, n := range slices.Sorted(maps.Keys(where)) {
		switch r, ok := rows[n]; {
		case !ok:
			t.Errorf("RFC %d is cited at %s and has no row in docs/rfc.md", n, where[n][0])
		case r.state == "no":
			t.Errorf("rfc.md:%d says that nothing of RFC %d is done, but %s cites it", r.line, n, where[n][0])
		}
	}
}

func TestEveryRowIsTrue(t *testing.T) {
	where := cited(t)
	for n, r := range rfcRows(t) {
		switch r.state {
		case "done", "partly", "rule":
			if len(where[n]) == 0 {
				t.Errorf("rfc.md:%d: RFC %d is %q, but no code cites it", r.line, n, r.state)
			}
			if r.done == "" {
				t.Errorf("rfc.md:%d: what of RFC %d is done?", r.line, n)
			}
		case "no":
		default:
			t.Errorf("rfc.md:%d: state %q is none of done, partly, rule, no", r.line, r.state)
		}
		if r.state == "partly" && r.open == "" {
			t.Errorf("rfc.md:%d: RFC %d is done in part: what is not?", r.line, n)
		}
		if r.state == "done" && r.open != "" {
			t.Errorf("rfc.md:%d: RFC %d is done, and yet: %s", r.line, n, r.open)
		}
	}
}

// last3261 has, for the sections of RFC 3261 that have parts, the number of the last part.
var last3261 = map[string]int{
	"": 28, "7": 5, "7.3": 3, "7.4": 2, "8": 3, "8.1": 3, "8.1.1": 10, "8.1.3": 5, "8.2": 7, "8.2.2": 3, "8.2.6": 2, "9": 2,
	"10": 3, "10.2": 8, "10.2.1": 2, "11": 2, "12": 3, "12.1": 2, "12.2": 2, "12.2.1": 2,
	"13": 3, "13.2": 2, "13.2.2": 4, "13.3": 1, "13.3.1": 4, "14": 2, "15": 1, "15.1": 2, "16": 12, "16.12": 1,
	"17": 2, "17.1": 4, "17.1.1": 3, "17.1.2": 3, "17.2": 4, "18": 4, "18.1": 2, "18.2": 2,
	"19": 3, "19.1": 6, "20": 44, "21": 6, "21.1": 5, "21.2": 1, "21.3": 5, "21.4": 28, "21.5": 7, "21.6": 4,
	"22": 4, "23": 4, "24": 2, "25": 1, "26": 6, "26.1": 5, "26.2": 4, "26.3": 2, "26.4": 4, "27": 6, "28": 2,
}

// TestSectionsExist: a section has the form of one, and where the contents are known, exists.
func TestSectionsExist(t *testing.T) {
	seen := 0
	eachLine(t, func(place, line string) {
		for _, m := range sections.FindAllStringSubmatch(line, -1) {
			for _, s := range section.FindAllStringSubmatch(m[2], -1) {
				seen++
				if why := sectionFault(m[1], s[1]); why != "" {
					t.Errorf("%s: RFC %s has no section %q: %s", place, m[1], s[1], why)
				}
			}
		}
	})
	if seen < 200 {
		t.Errorf("%d sections found: the test looks at nothing", seen)
	}
}

func sectionFault(rfc, s string) string {
	above := ""
	for i, part := range strings.Split(s, ".") {
		n, err := strconv.Atoi(part)
		switch {
		case i == 0 && len(part) == 1 && part[0] >= 'A' && part[0] <= 'Z': // an appendix
		case err != nil || n < 1 || n > 60 || i > 4 || strings.HasPrefix(part, "0"):
			return "not of the form 1.2.3"
		case rfc == "3261" && last3261[above] > 0 && n > last3261[above]:
			return fmt.Sprintf("the last one there is %s.%d", above, last3261[above])
		case rfc == "3261" && above != "" && last3261[above] == 0 && !strings.HasPrefix(above, "16."):
			return "§" + above + " has no parts"
		}
		above = strings.TrimPrefix(above+"."+part, ".")
	}
	return ""
}

func TestSectionFault(t *testing.T) {
	for _, c := range []struct {
		rfc, section string
		wrong        bool
	}{
		{"3261", "17.2.1", false},
		{"3261", "28", false},
		{"3261", "29", true},
		{"3261", "21.5.14", true},
		{"3261", "16.7", false},
		{"3261", "3.1", true},
		{"4475", "3.1.1.13", false},
		{"4475", "0.1", true},
		{"2543", "B.5", false},
		{"3264", "x", true},
	} {
		if why := sectionFault(c.rfc, c.section); (why != "") != c.wrong {
			t.Errorf("RFC %s §%s: %q", c.rfc, c.section, why)
		}
	}
}
