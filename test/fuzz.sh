#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME each. go test fuzzes one
# target at a time, so they are listed first.
set -euo pipefail
: "${FUZZTIME:=5s}"

found=0 failed=()
while read -r package; do
  targets=$(go test -run '^$' -list '^Fuzz' "$package" | grep '^Fuzz' || true)
  for target in $targets; do
    found=$((found + 1))
    echo "== $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$FUZZTIME" "$package" || failed+=("$package $target")
  done
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep .)

echo "$found fuzz targets ran for $FUZZTIME each, ${#failed[@]} failed"
[ "${#failed[@]}" -eq 0 ] || printf '  %s\n' "${failed[@]}"
[ "$found" -gt 0 ] && [ "${#failed[@]}" -eq 0 ]
