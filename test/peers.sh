#!/usr/bin/env bash
# Makes sure that the programs the interop tests call with are here, installing
# them from Debian or Ubuntu when they are not. A peer that cannot be had is a
# failure: a test that skips proves nothing.
set -euo pipefail

# program, package, what it is for
peers=(
  "gcc gcc the SQLite driver and the race detector"
  "sipp sip-tester SIP scenarios and RTP counting"
  "baresip baresip-core a softphone with digest, DTMF and WAV audio"
)

missing_programs=() missing_packages=()
look() {
  missing_programs=() missing_packages=()
  local program package _
  for peer in "${peers[@]}"; do
    read -r program package _ <<<"$peer"
    command -v "$program" >/dev/null && continue
    missing_programs+=("$program")
    missing_packages+=("$package")
  done
}

look
[ "${#missing_programs[@]}" -eq 0 ] && exit 0

ask="install them with: apt-get install ${missing_packages[*]}"
if ! command -v apt-get >/dev/null; then
  echo "make test needs ${missing_programs[*]}, and there is no apt-get here; ${ask/apt-get install/your package manager, Debian names}" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "make test needs ${missing_programs[*]}; as root, $ask" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi

export DEBIAN_FRONTEND=noninteractive
install() {
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing_packages[@]}"
}
# Mirrors fail now and then; once more is cheap, a third time hides a real fault.
install || { sleep 5; install; }

look
if [ "${#missing_programs[@]}" -ne 0 ]; then
  echo "apt-get brought no ${missing_programs[*]} (packages ${missing_packages[*]})" >&2
  exit 1
fi
