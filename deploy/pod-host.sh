#!/usr/bin/env bash
# Makes a Debian 12 or 13 machine a pod host: Docker, gVisor's runsc registered with it as the runtime
# `runsc`, and the pods' ports kept free of the machine's own connections. Run it as root, any number
# of times; running containers are left alone.
#
#   ssh root@HOST bash -s < deploy/pod-host.sh
#
# Its two parts also serve alone:
#
#   pod-host.sh config RUNSC [DAEMON_JSON]   prints Docker's settings with the runtime added to them
#   pod-host.sh prove IMAGE                  proves on the running Docker that the runtime is fit
set -euo pipefail

readonly daemon_json=/etc/docker/daemon.json
# What pods start from, and so what the proof is made with.
readonly proof_image=${PROOF_IMAGE:-pinacledev/pinacle-base}

say() { printf '%s\n' "$*" >&2; }
fail() {
  printf 'pod-host: %s\n' "$*" >&2
  exit 1
}

# A gVisor that doesn't suit the kernel hangs rather than fails, so no Docker command goes unlimited.
docker_() { timeout --kill-after=5 60 docker "$@"; }

# systrap is the faster, and newer than Debian 12's runsc. kvm isn't tried: where the machine is
# itself virtual, it hangs.
platform_of() {
  local runsc=$1 platform
  for platform in systrap ptrace; do
    if timeout --kill-after=5 20 "$runsc" --ignore-cgroups --platform="$platform" --network=host "do" true >/dev/null 2>&1; then
      printf '%s\n' "$platform"
      return
    fi
  done
  fail "$runsc runs a program with neither systrap nor ptrace on kernel $(uname -r). Try: $runsc --debug --network=host do true"
}

config() {
  local runsc=$1 settings=${2:-} platform
  platform=$(platform_of "$runsc")
  if [[ -n $settings && -s $settings ]]; then
    jq -e 'type == "object"' "$settings" >/dev/null 2>&1 ||
      fail "$settings is not a JSON object. Repair it, then run this again."
  else
    settings=/dev/null
  fi
  # --network=host: gVisor's own network stack can't reach Docker's DNS on a network of the pod's
  # own; each pod still has a network namespace to itself.
  # --overlay2=none: gVisor otherwise keeps root writes in an overlay and forgets them at stop.
  jq -n --arg path "$runsc" --arg platform "$platform" '
    (input? // {}) * {runtimes: {runsc: {path: $path, runtimeArgs:
      ["--platform=\($platform)", "--network=host", "--overlay2=none"]}}}' "$settings"
}

prove() {
  local image=$1
  probe=pinacle-probe-$$
  trap 'docker_ rm --force --volumes "$probe" >/dev/null 2>&1 || true' EXIT
  docker_ run --detach --name "$probe" --runtime=runsc --network=none --memory=128m --memory-swap=128m \
    "$image" sleep 600 >/dev/null ||
    fail "Docker can't start $image with the runtime runsc. Its reason stands above; if it names none, see Docker's log."

  if [[ $(docker_ exec "$probe" uname -v) == "$(uname -v)" ]]; then
    fail "the container runs on this machine's own kernel, so the runtime runsc is not gVisor. See the runtimes in $daemon_json."
  fi

  docker_ exec "$probe" touch /root/kept
  docker_ stop --time 2 "$probe" >/dev/null
  docker_ start "$probe" >/dev/null
  docker_ exec "$probe" test -e /root/kept ||
    fail "a file written in a container is gone after stop and start. Register runsc with --overlay2=none."

  # tail keeps all it reads until a line ends, and zeros have no lines.
  docker_ exec --detach "$probe" sh -c 'head -c 256M /dev/zero | tail -n 1 >/dev/null'
  timeout 20 docker wait "$probe" >/dev/null ||
    fail "a container limited to 128 MB took 256 MB and lives. See whether 'docker info' warns about memory limits."
  if [[ $(docker_ inspect --format '{{.State.OOMKilled}}' "$probe") != true ]]; then
    fail "a container over its memory limit ended, but not by the limit. See: docker inspect and the kernel's log."
  fi
  say "The runtime runsc is fit: isolated, keeps files over a stop, holds to its memory limit."
}

reload_docker() {
  if [[ -d /run/systemd/system ]]; then
    # Enabled as well, because pods must come back when the machine does.
    systemctl enable --quiet --now docker
    systemctl reload docker
  elif [[ -s /run/docker.pid ]]; then
    kill -HUP "$(cat /run/docker.pid)"
  else
    fail "Docker isn't running, and this machine has no systemd to start it. Start dockerd, then run this again."
  fi
}

# A connection that this machine makes must not take a port that a pod will listen on.
reserve_ports() {
  local pods=30000-40000 file=/proc/sys/net/ipv4/ip_local_reserved_ports reserved
  reserved=$(<"$file")
  [[ ,$reserved, != *,$pods,* ]] || return 0
  reserved=${reserved:+$reserved,}$pods
  printf 'net.ipv4.ip_local_reserved_ports = %s\n' "$reserved" >/etc/sysctl.d/60-pinacle-worker.conf
  printf '%s\n' "$reserved" >"$file" ||
    fail "the ports of the pods, $pods, can't be reserved in $file. Without that an outgoing connection may take one."
}

runtime_is_known() { docker_ info --format '{{json .Runtimes}}' 2>/dev/null | jq -e .runsc >/dev/null; }

install() {
  [[ $EUID == 0 ]] || fail "this installs packages and changes Docker's settings; run it as root."
  apt-get update -qq
  # The client is a package of its own from Debian 13 on.
  local packages=(apparmor docker.io jq runsc)
  if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
  reserve_ports

  local wanted
  wanted=$(config "$(command -v runsc)" "$daemon_json")
  mkdir -p "${daemon_json%/*}"
  if [[ ! -e $daemon_json ]] || ! jq -e --argjson wanted "$wanted" '. == $wanted' "$daemon_json" >/dev/null; then
    # Written beside and moved, so that Docker never reads half a file.
    printf '%s\n' "$wanted" >"$daemon_json.new"
    mv "$daemon_json.new" "$daemon_json"
    say "Registered runsc in $daemon_json."
  fi
  reload_docker

  local tries
  for ((tries = 0; tries < 100; tries++)); do
    runtime_is_known && break
    sleep 0.2
  done
  runtime_is_known || fail "Docker doesn't list the runtime runsc 20 seconds after its reload. Try: systemctl restart docker"

  docker_ image inspect "$proof_image" >/dev/null 2>&1 || timeout 900 docker pull --quiet "$proof_image" >/dev/null ||
    fail "the image $proof_image is neither here nor to be pulled. Build it with docker/Dockerfile.base, or name another in PROOF_IMAGE."
  prove "$proof_image"
}

case ${1:-install} in
  install) install ;;
  config) config "${@:2}" ;;
  prove) prove "${2:?an image to prove it with}" ;;
  *) fail "unknown command $1; it is config, prove, or nothing to set this machine up." ;;
esac
