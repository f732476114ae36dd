#!/usr/bin/env bash
# Speaks every line of prompts.txt and applications.txt (name, tab, text) into
# NAME.wav: 16 kHz, those of the applications 8 kHz since they are many; mono,
# 16 bits, silence trimmed, speech at -20 dBFS RMS with its peak below
# -1 dBFS. Needs flite and sox (Debian: apt-get install flite sox).
#
#   make.sh [NAME…]    only these prompts; without a name, all of them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

voice=slt     # CMU Arctic: free to use
stretch=1.06 # a little slower than talk: a caller hears it once, on a phone
target=-20   # dBFS, RMS of the speech
ceiling=-1   # dBFS, peak

for program in flite sox; do
  command -v "$program" >/dev/null || { echo "make.sh needs $program: apt-get install flite sox" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# level FILE: RMS and peak in dBFS
level() {
  sox "$1" -n stats 2>&1 | awk '/^RMS lev dB/ {rms=$4} /^Pk lev dB/ {peak=$4} END {print rms, peak}'
}

speak() {
  local name=$1 text=$2 rate=$3 rms peak gain
  flite -voice "$voice" --setf duration_stretch="$stretch" -t "$text" -o "$work/raw.wav"
  mkdir -p "$(dirname "$name")"
  # Below 80 Hz is only offset and rumble. What is quieter than -50 dB at
  # either end is silence; the pauses inside stay.
  sox "$work/raw.wav" -r "$rate" -c 1 -b 16 "$work/cut.wav" highpass 80 \
    silence 1 0.01 -50d reverse silence 1 0.01 -50d reverse
  read -r rms peak < <(level "$work/cut.wav")
  gain=$(awk -v rms="$rms" -v peak="$peak" -v target="$target" -v ceiling="$ceiling" \
    'BEGIN { g = target - rms; if (peak + g > ceiling) g = ceiling - peak; printf "%.2f", g }')
  # 10 ms before and 60 ms after, so that prompts played in a row do not collide.
  sox -R "$work/cut.wav" -b 16 "$name.wav" gain "$gain" fade t 0.003 -0 0.005 pad 0.01 0.06
  read -r rms peak < <(level "$name.wav")
  printf '%-24s rms %6s dBFS  peak %6s dBFS\n' "$name" "$rms" "$peak"
}

# all LIST RATE [NAME…]
all() {
  local list=$1 rate=$2 name text
  shift 2
  while IFS=$'\t' read -r name text; do
    case "$name" in '' | '#'*) continue ;; esac
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    speak "$name" "$text" "$rate"
  done <"$list"
}

all prompts.txt 16000 "$@"
all applications.txt 8000 "$@"
