#!/usr/bin/env bash
# Makes sure that the programs the interop tests call with are here, installing
# them from Debian or Ubuntu when they are not. A peer that cannot be had is a
# failure: a test that skips proves nothing.
set -euo pipefail

# Debian keeps PostgreSQL's server out of PATH.
for folder in /usr/lib/postgresql/*/bin; do PATH=$PATH:$folder; done

# program, its packages, what it is for
peers=(
  "gcc gcc,libc6-dev the SQLite driver and the race detector"
  "sipp sip-tester SIP scenarios and RTP counting"
  "baresip baresip-core a softphone with digest, DTMF and WAV audio"
  "ip iproute2 networks of their own, to put a phone behind a router"
  "nft nftables the router's address translation"
  "kamailio kamailio a proxy that stays in the path of calls"
  "chromium chromium a browser, for DTLS and ICE as browsers do them"
  "sqlite3 sqlite3 plain SQL, which questions about records are timed beside"
  "svmap sipvicious what strangers scan with"
  "postgres postgresql the other database, for the store and for scripts"
  "tshark tshark what reads our traces"
  "promtool prometheus what reads our alerts"
  "espeak-ng espeak-ng a voice, for say"
)

missing_programs=() missing_packages=()
look() {
  missing_programs=() missing_packages=()
  local program packages _
  for peer in "${peers[@]}"; do
    read -r program packages _ <<<"$peer"
    command -v "$program" >/dev/null && continue
    missing_programs+=("$program")
    missing_packages+=(${packages//,/ })
  done
}

look
[ "${#missing_programs[@]}" -eq 0 ] && exit 0

fail() {
  echo "make test needs ${missing_programs[*]}: $1" >&2
  exit 1
}

command -v apt-get >/dev/null ||
  fail "there is no apt-get here; Debian's packages are ${missing_packages[*]}"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    fail "as root, apt-get install ${missing_packages[*]}"
  fi
  as_root=(sudo -n)
fi

export DEBIAN_FRONTEND=noninteractive
install() {
  # A mirror that is half broken may still have what we need.
  "${as_root[@]}" apt-get update -q || echo "apt-get update failed; going on" >&2
  "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing_packages[@]}"
}
# Mirrors fail now and then; once more is cheap, a third time hides a real fault.
install || { sleep 5; install; } || fail "apt-get install ${missing_packages[*]} failed"

look
[ "${#missing_programs[@]}" -eq 0 ] || fail "apt-get install ${missing_packages[*]} did not bring it"
