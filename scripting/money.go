package scripting

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// defaultCurrency is that of money whose currency nobody names.
const defaultCurrency = "USD"

// currency is how English calls money, as prompts: of one and of several.
type currency struct{ code, one, many, centOne, centMany string }

func currencies() []currency {
	return []currency{
		{"USD", "money-dollar", "money-dollars", "money-cent", "money-cents"},
		{"EUR", "money-euro", "money-euros", "money-cent", "money-cents"},
		{"GBP", "money-pound", "money-pounds", "money-penny", "money-pence"},
	}
}

var amount = regexp.MustCompile(`^(-?)([0-9]{1,9})(?:\.([0-9]{1,}))?$`)

// spokenMoney reads "twelve dollars and fifty cents". Parts of a cent are rounded.
func spokenMoney(text, code string) ([]string, error) {
	i := slices.IndexFunc(currencies(), func(c currency) bool { return c.code == code })
	if i < 0 {
		return nil, fmt.Errorf("currency %q is not one of USD, EUR, GBP", code)
	}
	money := currencies()[i]
	m := amount.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q is not an amount such as 12.50, under a thousand million", text)
	}
	whole, _ := strconv.Atoi(m[2])
	cents, _ := strconv.Atoi((m[3] + "00")[:2])
	if len(m[3]) > 2 && m[3][2] >= '5' {
		cents++
	}
	if cents == 100 {
		whole, cents = whole+1, 0
	}
	var out []string
	if m[1] == "-" && whole+cents > 0 {
		out = append(out, "number-minus")
	}
	if whole > 0 || cents == 0 {
		out = append(append(out, cardinal(whole)...), counted(whole, money.one, money.many))
	}
	if whole > 0 && cents > 0 {
		out = append(out, "number-and")
	}
	if cents > 0 {
		out = append(append(out, cardinal(cents)...), counted(cents, money.centOne, money.centMany))
	}
	return out, nil
}

func counted(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
