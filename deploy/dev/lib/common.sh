# shellcheck shell=bash
# Helpers for all parts of the development stack. Sourced.

# The image and a fetched runsc are kept here between runs, which makes the second run quick.
state=${PINACLE_DEV_DIR:-/var/tmp/pinacle-dev}
repository=$(cd "${BASH_SOURCE[0]%/*}/../../.." && pwd)
# The source of packages that this machine's own sources don't have.
mirror=${PINACLE_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly state repository mirror

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }
fail() {
  printf 'stack: %s\n' "$*" >&2
  exit 1
}

# For a message: the end of the log that says more.
tail_of() { printf '%s\n' "$1:" && tail -n 5 "$1" | cut -c 1-300; }

# wait_for SECONDS COMMAND…: waits until COMMAND succeeds. Bash gets no event of a socket, or of a process that isn't
# its child, so this polls, with a limit.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# A daemon must hold neither the caller's input nor the locks of `stack`, which it outlives.
detached() { "$@" </dev/null 8>&- 9>&-; }

# pid_in FILE MARK: prints the pid in FILE where that process is ours, as MARK in its command line
# shows. A pid alone proves nothing: after a reboot it may be another process's.
pid_in() {
  local pid
  [[ -s $1 ]] || return 1
  pid=$(<"$1")
  grep -qsaF -- "$2" "/proc/$pid/cmdline" && printf '%s\n' "$pid"
}

# A zombie counts as gone: only its parent has yet to reap it. The check doesn't use the command line, which is empty in
# the middle of an exec.
gone() { ! grep -qs '^State:[[:space:]]*[^XZ[:space:]]' "/proc/$1/status"; }

# end PID NAME: sends TERM, waits, then sends KILL. (Every `return` here names its status, because in an EXIT trap a
# bare one returns the status from before the trap.)
end() {
  kill -TERM "$1" 2>/dev/null || return 0
  wait_for 20 gone "$1" && return 0
  kill -KILL "$1" 2>/dev/null || return 0
  wait_for 10 gone "$1" || fail "$2 (pid $1) doesn't end, not even by SIGKILL. See /proc/$1/status."
}

# Below the pods' own range (30000 to 40000) and the kernel's ephemeral ports.
free_port() {
  local port
  for port in $(shuf -i 20000-29999 -n 50); do
    if [[ -z $(ss -Hltn "sport = :$port") ]]; then
      printf '%s\n' "$port"
      return 0
    fi
  done
  fail "fifty ports between 20000 and 29999 were tried, and all are taken. See: ss -ltnp"
}
