package dialog

import "testing"

func TestParseReplaces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value string
		want  Replaces
		fails bool
	}{
		{value: "425928@bobster.example;to-tag=7743;from-tag=6472", want: Replaces{ID: ID{"425928@bobster.example", "7743", "6472"}}},
		{value: " c ; From-Tag = f ; to-tag=t ; early-only ; x=y", want: Replaces{ID: ID{"c", "t", "f"}, EarlyOnly: true}},
		{value: "c;to-tag=t", fails: true},
		{value: "c;from-tag=f", fails: true},
		{value: "c;to-tag=t;from-tag=f;to-tag=u", fails: true},
		{value: ";to-tag=t;from-tag=f", fails: true},
		{value: "", fails: true},
	}
	for _, tt := range tests {
		got, err := ParseReplaces(tt.value)
		if (err != nil) != tt.fails || got != tt.want {
			t.Errorf("%q: %+v, %v", tt.value, got, err)
		}
	}
}

func FuzzParseReplaces(f *testing.F) {
	f.Add("425928@bobster.example;to-tag=7743;from-tag=6472;early-only")
	f.Add(";;=;to-tag==;from-tag")
	f.Fuzz(func(t *testing.T, value string) {
		r, err := ParseReplaces(value)
		if err != nil {
			return
		}
		again, err := ParseReplaces(r.String())
		if err != nil || again != r {
			t.Errorf("%q read as %+v, written and read again as %+v, %v", value, r, again, err)
		}
	})
}
