#!/usr/bin/env bash
# Makes a Debian 12 or 13 machine a pod host: Docker, gVisor's runsc registered with it as the runtime
# `runsc`, the pods' ports kept free of the machine's own connections, and a floor under the pods'
# network. Run it as root, any number of times; running containers are left alone.
#
#   ssh root@HOST bash -s < deploy/pod-host.sh
#   ssh root@HOST EGRESS_ALLOW=10.1.2.0/24,10.1.3.4 bash -s < deploy/pod-host.sh
#
# From a pod, the public Internet is reached, and a resolver: those of /etc/resolv.conf, or DNS_RESOLVERS.
# Never the machine itself, other pods, nor private, link-local, shared or reserved addresses, but for
# the networks in EGRESS_ALLOW; and the machine itself only where one of its addresses stands there alone,
# not as a part of a network. Both are IPv4, with commas in between, and are kept for the next time.
#
# Its parts also serve alone:
#
#   pod-host.sh config RUNSC [DAEMON_JSON]   prints Docker's settings with the runtime added to them
#   pod-host.sh floor                        prints the floor, for `nft -f -`
#   pod-host.sh prove IMAGE                  proves on the running Docker that the runtime is fit
set -euo pipefail

readonly daemon_json=/etc/docker/daemon.json
readonly settings_folder=/etc/pinacle-worker
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

# A resolver on this machine's loopback is asked by Docker itself, from outside the pod.
resolvers() {
  local file=/etc/resolv.conf
  if [[ -s /run/systemd/resolve/resolv.conf ]]; then file=/run/systemd/resolve/resolv.conf; fi
  awk '$1 == "nameserver" && $2 !~ /:/ && $2 !~ /^127\./ { print $2 }' "$file" | paste -sd ,
}

# Bridges of pods that were made before their names began with br-p.
older_bridges() {
  command -v docker >/dev/null || return 0
  local networks
  networks=$(docker_ network ls --quiet --filter label=pinacle.pod) ||
    fail "Docker does not say which pods there are, and a floor without them would leave the older ones out. Start it, then run this again."
  # shellcheck disable=SC2086 # each id is a word
  [[ -z $networks ]] || docker_ network inspect --format '{{index .Options "com.docker.network.bridge.name"}}' $networks |
    awk 'NF && !/^br-p/ { printf "%s\"%s\"", n++ ? "," : "", $1 }'
}

# elements LIST: the line of a set with these elements; nft takes no empty one.
elements() { [[ -z ${1//[, ]/} ]] || printf 'elements = { %s }' "${1// /,}"; }

# alone LIST: those that are single addresses.
alone() { tr ' ' , <<<"$1" | tr , '\n' | sed -n 's,/32$,,; /^[0-9.]\{1,\}$/p' | paste -sd ,; }

# One table beside Docker's own, replaced in one transaction. Its chains come before Docker's, and what
# they let through is still Docker's to judge. A pod's bridge is `br-p` and hexadecimal digits; those that
# Docker names itself have no p. A pod hears at once that it may not, so nothing waits for an answer.
floor() {
  local allowed=$1 dns=$2 no='reject with icmpx type admin-prohibited' older
  older=$(older_bridges)
  cat <<END
table inet pinacle
delete table inet pinacle
table inet pinacle {
  set allowed { type ipv4_addr; flags interval; auto-merge; $(elements "$allowed"); }
  set allowed_alone { type ipv4_addr; $(elements "$(alone "$allowed")"); }
  set resolvers { type ipv4_addr; $(elements "$dns"); }
  set older_bridges { type ifname; $(elements "$older"); }
  # All that is not the public Internet (IANA's special-purpose registry), multicast included.
  set special {
    type ipv4_addr; flags interval
    elements = {
      0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24,
      192.0.2.0/24, 192.88.99.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3
    }
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept
    oifname "br-p*" jump to_pod
    oifname @older_bridges jump to_pod
    iifname "br-p*" jump from_pod
    iifname @older_bridges jump from_pod
  }
  chain input {
    type filter hook input priority filter - 10; policy accept
    iifname "br-p*" jump to_host
    iifname @older_bridges jump to_host
  }
  # Replies, and what comes for a published port: never from another pod, nor straight to the pod's own address.
  chain to_pod {
    ct state established,related return
    iifname "br-p*" $no
    iifname @older_bridges $no
    ct status & dnat == dnat return
    drop
  }
  chain from_pod {
    ct state established,related return
    meta nfproto != ipv4 $no
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 return
    ip daddr @allowed return
    ip daddr @special $no
  }
  chain to_host {
    ct state established,related return
    ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 return
    ip daddr @allowed_alone return
    $no
  }
}
END
}

# Kept from one run to the next, so that running this again takes nothing away.
floor_settings() {
  local kept=$settings_folder/floor.conf
  if [[ -s $kept ]]; then
    # shellcheck source=/dev/null
    [[ -n ${EGRESS_ALLOW+set} ]] || EGRESS_ALLOW=$(. "$kept" && printf '%s' "${EGRESS_ALLOW:-}")
    # shellcheck source=/dev/null
    [[ -n ${DNS_RESOLVERS+set} ]] || DNS_RESOLVERS=$(. "$kept" && printf '%s' "${DNS_RESOLVERS:-}")
  fi
  EGRESS_ALLOW=${EGRESS_ALLOW:-} DNS_RESOLVERS=${DNS_RESOLVERS:-}
}

print_floor() {
  floor_settings
  floor "$EGRESS_ALLOW" "${DNS_RESOLVERS:-$(resolvers)}"
}

install_floor() {
  local rules=$settings_folder/floor.nft unit=/etc/systemd/system/pinacle-floor.service interface
  for interface in /sys/class/net/br-p*; do
    [[ ! -e $interface || ${interface##*/} =~ ^br-p[0-9a-f]{11}$ ]] ||
      fail "the network interface ${interface##*/} begins with br-p, as pods' bridges do, and would be taken for one. Give it another name, then run this again."
  done
  mkdir -p "$settings_folder"
  print_floor >"$rules.new"
  nft --check --file "$rules.new" || {
    rm "$rules.new"
    fail "the floor of the pods' network can't be made: its reason stands above. See EGRESS_ALLOW and DNS_RESOLVERS: IPv4 networks and addresses with commas in between. What was there before is unchanged."
  }
  printf 'EGRESS_ALLOW=%q\nDNS_RESOLVERS=%q\n' "$EGRESS_ALLOW" "$DNS_RESOLVERS" >"$settings_folder/floor.conf"
  mv "$rules.new" "$rules"
  nft --file "$rules"
  if [[ ! -d /run/systemd/system ]]; then
    say "The floor is up. This machine has no systemd: let it run 'nft -f $rules' before Docker when it starts."
    return
  fi
  # Without the floor, Docker does not start, for it starts the pods.
  cat >"$unit" <<END
[Unit]
Description=What pods may reach on the network
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service shutdown.target
After=local-fs.target nftables.service
Conflicts=shutdown.target
# It may begin by emptying all tables.
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file $rules
ExecReload=/usr/sbin/nft --file $rules

[Install]
WantedBy=multi-user.target
RequiredBy=docker.service
END
  systemctl daemon-reload
  systemctl enable --quiet --now pinacle-floor.service
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
  local packages=(apparmor docker.io jq nftables runsc)
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
  install_floor
  prove "$proof_image"
}

case ${1:-install} in
  install) install ;;
  config) config "${@:2}" ;;
  floor) print_floor ;;
  prove) prove "${2:?an image to prove it with}" ;;
  *) fail "unknown command $1; it is config, floor, prove, or nothing to set this machine up." ;;
esac
