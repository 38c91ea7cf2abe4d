# What every part of the development stack needs. Sourced.

# Kept between runs: the image and a fetched runsc, which make the second run quick.
state=${PINACLE_DEV_DIR:-/var/tmp/pinacle-dev}
repository=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)
readonly state repository

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }
fail() {
  printf 'stack: %s\n' "$*" >&2
  exit 1
}

# wait_for SECONDS WHAT COMMAND…: until COMMAND succeeds. Bash can't be told of a socket or of a
# process that isn't its child, so this looks, often, and not for ever.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# pid_in FILE MARK: prints the pid in FILE where that process is ours, as MARK in its command line
# shows. A pid alone proves nothing: after a reboot it is somebody else's.
pid_in() {
  local pid
  [[ -s $1 ]] && read -r pid <"$1" || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2" && printf '%s\n' "$pid"
}

gone() { [[ ! -d /proc/$1 ]]; }

# end PID NAME: asks, waits, then insists.
end() {
  kill -TERM "$1" 2>/dev/null || return 0
  wait_for 20 "$2" gone "$1" && return
  kill -KILL "$1" 2>/dev/null || return 0
  wait_for 10 "$2" gone "$1" || fail "$2 (pid $1) doesn't end, not even by SIGKILL. See /proc/$1/status."
}

# Below the pods' own range (30000 to 40000) and the kernel's ephemeral ports.
free_port() {
  local port
  for port in $(shuf -i 20000-29999 -n 50); do
    if [[ -z $(ss -Hltn "sport = :$port") ]]; then
      printf '%s\n' "$port"
      return
    fi
  done
  fail "fifty ports between 20000 and 29999 were tried, and all are taken. See: ss -ltnp"
}
