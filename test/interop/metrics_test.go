//go:build interop

package interop

import (
	"os/exec"
	"testing"
)

// TestAlertsLoad: Prometheus takes the rules that ship, and they fire when they should.
func TestAlertsLoad(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", "--lint-fatal", "../../deploy/prometheus/alerts.yml"},
		{"test", "rules", "testdata/alerts_test.yml"},
	} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
