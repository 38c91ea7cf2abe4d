# shellcheck shell=bash
# Docker with gVisor: the daemon that runs here if it has a working runsc, or else one of our own. Sourced.

readonly docker_state=$state/docker
readonly own_socket=unix://$docker_state/docker.sock

own_dockerd() { pid_in "$docker_state/dockerd.pid" "$docker_state"; }

docker_up() {
  if docker info >/dev/null 2>&1 && [[ ${DOCKER_HOST:-} != "$own_socket" ]]; then
    docker info --format '{{json .Runtimes}}' | jq -e .runsc >/dev/null ||
      fail "Docker runs on this machine, but without gVisor. Add it with deploy/pod-host.sh (no container is restarted), then run this again."
    if [[ -n ${DOCKER_HOST:-} ]]; then printf 'export DOCKER_HOST=%q\n' "$DOCKER_HOST"; fi
    return 0
  fi
  export DOCKER_HOST=$own_socket
  ensure_dockerd
  printf 'export DOCKER_HOST=%q\n' "$DOCKER_HOST"
}

ensure_dockerd() {
  local pid
  if pid=$(own_dockerd); then
    if wait_for 10 timeout 10 docker version; then return 0; fi
    say "Docker runs (pid $pid) but doesn't respond; starting it again"
    end "$pid" dockerd
  fi
  start_dockerd
}

start_dockerd() {
  local runsc other
  # Zombies are excluded: a killed dockerd may be one for a moment.
  if other=$(pgrep --runstates D,R,S,T -x dockerd); then
    fail "another Docker runs here (pid $other), and two would undo each other's firewall rules. Set DOCKER_HOST to its socket, or stop it."
  fi
  mkdir -p "$docker_state"
  runsc=$(find_runsc)
  say "starting Docker with $("$runsc" --version | sed -n 1p)"
  "$repository/deploy/pod-host.sh" config "$runsc" >"$docker_state/daemon.json"

  # dockerd changes these in the kernel and does not restore them when it ends.
  if [[ ! -e $docker_state/before ]]; then
    printf 'forward=%s\nfilter=%s\nfilter6=%s\n' "$(</proc/sys/net/ipv4/ip_forward)" "$(forward_policy iptables)" "$(forward_policy ip6tables)" >"$docker_state/before"
  fi
  end_containerd
  rm -f "$docker_state/dockerd.pid"
  # Not systemd's cgroups, even where systemd runs: this daemon isn't a unit of it.
  # It is started without a helper function: a shell that waits for it would keep the locks of `stack`.
  setsid dockerd --config-file "$docker_state/daemon.json" --host "$own_socket" --log-level warn \
    --data-root "$docker_state/data" --exec-root "$docker_state/run" --pidfile "$docker_state/dockerd.pid" \
    --exec-opt native.cgroupdriver=cgroupfs </dev/null >"$state/log/dockerd.log" 2>&1 8>&- 9>&- &
  wait_for 60 responds_or_ended $! && docker version >/dev/null 2>&1 ||
    fail "dockerd ended, or did not respond within 60 seconds; see $(tail_of "$state/log/dockerd.log")"
}

# containerd is dockerd's child. It outlives a killed dockerd, and keeps the next one from starting. So does the file
# with its pid while the pid is a zombie's.
end_containerd() {
  local file=$docker_state/run/containerd/containerd.pid pid
  if pid=$(pid_in "$file" "$docker_state"); then end "$pid" containerd; fi
  rm -f "$file"
}

responds_or_ended() { docker version || gone "$1"; }

# The proof takes seconds, so it runs once for each combination of runsc, kernel and Docker.
prove_runtime() {
  local proven
  proven=$(docker info --format '{{json .Runtimes.runsc}} {{.KernelVersion}} {{.ServerVersion}}')
  if [[ $(cat "$state/proven" 2>/dev/null) != "$proven" ]]; then
    "$repository/deploy/pod-host.sh" prove "$1"
    printf '%s\n' "$proven" >"$state/proven"
  fi
}

docker_down() {
  [[ -e $docker_state/before ]] || return 0
  export DOCKER_HOST=$own_socket
  # A dockerd that was killed has left containers and bridges, which only a dockerd can find. One that
  # can't start has left none.
  if (ensure_dockerd); then
    docker ps --all --quiet | xargs --no-run-if-empty timeout 120 docker rm --force --volumes >/dev/null
    docker network prune --force >/dev/null
    docker volume ls --quiet | xargs --no-run-if-empty docker volume rm --force >/dev/null
    end "$(own_dockerd)" dockerd
  fi
  end_containerd
  # dockerd leaves these mounts behind even when it ends in order.
  umount "$docker_state/data" "$docker_state/run/netns/default" 2>/dev/null || true
  restore_kernel
}

forward_policy() { "$1" -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }'; }

restore_kernel() {
  local forward filter filter6
  # shellcheck source=/dev/null
  . "$docker_state/before"
  if ip link show docker0 >/dev/null 2>&1; then ip link delete docker0; fi
  drop_chains iptables filter "$filter"
  drop_chains iptables nat ""
  drop_chains ip6tables filter "$filter6"
  drop_chains ip6tables nat ""
  printf '%s\n' "$forward" >/proc/sys/net/ipv4/ip_forward
  rm -f "$docker_state/before" "$docker_state/docker.sock"
}

# Removes in one transaction Docker's rules from the kernel's own chains, and then its chains; restores the policy.
drop_chains() {
  local tool=$1 table=$2 policy=$3
  "$tool-save" -t "$table" 2>/dev/null | awk -v table="$table" -v policy="$policy" '
    /^:DOCKER/             { chain = substr($1, 2); flush = flush "-F " chain "\n"; drop = drop "-X " chain "\n" }
    /^-A DOCKER/           { next }
    /^-A .*(DOCKER|docker0)/ { sub(/^-A/, "-D"); rules = rules $0 "\n" }
    END {
      if (!flush && !rules) exit
      print "*" table
      if (policy) print "-P FORWARD " policy
      printf "%s%s%sCOMMIT\n", rules, flush, drop
    }' | "$tool-restore" --noflush
}
