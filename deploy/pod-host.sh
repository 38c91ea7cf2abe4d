#!/usr/bin/env bash
# Makes a Debian 12 or 13 machine a pod host: Docker, gVisor's runsc registered with it as the runtime
# `runsc`, the pods' ports kept free of the machine's own connections, and a floor under the pods'
# network. Run it as root, any number of times; running containers are left alone.
#
#   ssh root@HOST bash -s < deploy/pod-host.sh
#   ssh root@HOST EGRESS_ALLOW=10.1.2.0/24,10.1.3.4 bash -s < deploy/pod-host.sh
#
# A pod reaches the public Internet and the resolvers of /etc/resolv.conf, or those in DNS_RESOLVERS. It reaches neither
# the machine itself, nor other pods, nor private, link-local, shared or reserved addresses, except the networks in
# EGRESS_ALLOW. It reaches the machine itself only if one of the machine's addresses is listed there alone, not as part
# of a network. Both settings are lists of IPv4 addresses or networks with commas in between, and are stored for the
# next run.
#
# Its parts can be run alone:
#
#   pod-host.sh config RUNSC [DAEMON_JSON]   prints Docker's settings with the runtime added to them
#   pod-host.sh floor                        prints the floor's rules, for `nft -f -`
#   pod-host.sh prove IMAGE                  proves on the running Docker that the runtime works
set -euo pipefail

readonly daemon_json=/etc/docker/daemon.json
readonly settings_folder=/etc/pinacle-worker
# The image that pods are made from, so the proof uses it, too.
readonly proof_image=${PROOF_IMAGE:-pinacledev/pinacle-base}

say() { printf '%s\n' "$*" >&2; }
fail() {
  printf 'pod-host: %s\n' "$*" >&2
  exit 1
}

# A gVisor that is incompatible with the kernel hangs instead of failing, so every Docker command has a time limit.
docker_() { timeout --kill-after=5 60 docker "$@"; }

# systrap is faster, but Debian 12's runsc doesn't have it. kvm isn't tried, because it hangs on a virtual machine.
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
      fail "$settings is not a JSON object. Correct it, then run this again."
  else
    settings=/dev/null
  fi
  # --network=host: on a pod's own network, gVisor's network stack can't reach Docker's DNS. Each pod still has its own
  # network namespace.
  # --overlay2=none: otherwise gVisor keeps writes to the root filesystem in an overlay and loses them at a stop.
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
    fail "Docker can't start $image with the runtime runsc. The reason is printed above; if there is none, see Docker's log."

  if [[ $(docker_ exec "$probe" uname -v) == "$(uname -v)" ]]; then
    fail "the container runs on this machine's own kernel, so the runtime runsc is not gVisor. See the runtimes in $daemon_json."
  fi

  docker_ exec "$probe" touch /root/kept
  docker_ stop --time 2 "$probe" >/dev/null
  docker_ start "$probe" >/dev/null
  docker_ exec "$probe" test -e /root/kept ||
    fail "a file written in a container is gone after stop and start. Register runsc with --overlay2=none."

  # tail keeps in memory what it reads until a line ends, and zeros have no line end.
  docker_ exec --detach "$probe" sh -c 'head -c 256M /dev/zero | tail -n 1 >/dev/null'
  timeout 20 docker wait "$probe" >/dev/null ||
    fail "a container limited to 128 MB took 256 MB and still runs. See whether 'docker info' warns about memory limits."
  if [[ $(docker_ inspect --format '{{.State.OOMKilled}}' "$probe") != true ]]; then
    fail "a container over its memory limit ended, but not because of the limit. See: docker inspect and the kernel's log."
  fi
  say "The runtime runsc works: it isolates, keeps files over a stop, and enforces its memory limit."
}

# Loopback resolvers are left out: Docker itself asks those, from outside the pod.
resolvers() {
  local file=/etc/resolv.conf
  if [[ -s /run/systemd/resolve/resolv.conf ]]; then file=/run/systemd/resolve/resolv.conf; fi
  awk '$1 == "nameserver" && $2 !~ /:/ && $2 !~ /^127\./ { print $2 }' "$file" | paste -sd ,
}

# Prints the bridges of pods that were made before bridges' names began with br-p.
older_bridges() {
  command -v docker >/dev/null || return 0
  local networks
  networks=$(docker_ network ls --quiet --filter label=pinacle.pod) ||
    fail "Docker does not list the pods' networks, so the floor would leave out those of older pods. Start Docker, then run this again."
  # shellcheck disable=SC2086 # each id is a word
  [[ -z $networks ]] || docker_ network inspect --format '{{index .Options "com.docker.network.bridge.name"}}' $networks |
    awk 'NF && !/^br-p/ { printf "%s\"%s\"", n++ ? "," : "", $1 }'
}

# elements LIST: prints the line with a set's elements, or nothing for an empty list, because nft refuses an empty line.
elements() { [[ -z ${1//[, ]/} ]] || printf 'elements = { %s }' "${1// /,}"; }

# alone LIST: prints those that are single addresses.
alone() { tr ' ' , <<<"$1" | tr , '\n' | sed -n 's,/32$,,; /^[0-9.]\{1,\}$/p' | paste -sd ,; }

# Prints one table beside Docker's own, which is replaced in one transaction. Its chains run before Docker's, and
# Docker's chains still check what these accept. A pod's bridge is `br-p` and hexadecimal digits; bridges that Docker
# names itself have no p. Packets of pods are rejected, not dropped, so that programs in the pod fail at once.
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
  # Everything but the public Internet (IANA's special-purpose registry), multicast included.
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
  # Accepts replies and connections to a published port, but none from another pod or directly to the pod's address.
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

# The settings are stored, so that another run without them changes nothing.
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
      fail "the network interface ${interface##*/} begins with br-p, as pods' bridges do, and would be treated as one. Give it another name, then run this again."
  done
  mkdir -p "$settings_folder"
  print_floor >"$rules.new"
  nft --check --file "$rules.new" || {
    rm "$rules.new"
    fail "the floor of the pods' network can't be set up: the reason is printed above. See EGRESS_ALLOW and DNS_RESOLVERS: IPv4 networks and addresses with commas in between. The former floor is unchanged."
  }
  printf 'EGRESS_ALLOW=%q\nDNS_RESOLVERS=%q\n' "$EGRESS_ALLOW" "$DNS_RESOLVERS" >"$settings_folder/floor.conf"
  mv "$rules.new" "$rules"
  nft --file "$rules"
  if [[ ! -d /run/systemd/system ]]; then
    say "The floor is up. This machine has no systemd: make it run 'nft -f $rules' at boot, before Docker starts."
    return
  fi
  # Docker starts the pods, so it must not start without the floor.
  cat >"$unit" <<END
[Unit]
Description=What pods may reach on the network
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service shutdown.target
After=local-fs.target nftables.service
Conflicts=shutdown.target
# nftables.service may begin by removing all tables.
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
    # Enabled as well, because pods must start again when the machine does.
    systemctl enable --quiet --now docker
    systemctl reload docker
  elif [[ -s /run/docker.pid ]]; then
    kill -HUP "$(cat /run/docker.pid)"
  else
    fail "Docker isn't running, and this machine has no systemd to start it. Start dockerd, then run this again."
  fi
}

# An outgoing connection of this machine must not use a pod's port.
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
  # From Debian 13 on, the client is a separate package.
  local packages=(apparmor docker.io jq nftables runsc)
  if apt-cache show docker-cli >/dev/null 2>&1; then packages+=(docker-cli); fi
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
  reserve_ports

  local wanted
  wanted=$(config "$(command -v runsc)" "$daemon_json")
  mkdir -p "${daemon_json%/*}"
  if [[ ! -e $daemon_json ]] || ! jq -e --argjson wanted "$wanted" '. == $wanted' "$daemon_json" >/dev/null; then
    # The file is moved into place, so that Docker never reads half of it.
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
    fail "the image $proof_image is not here and can't be pulled. Build it with docker/Dockerfile.base, or name another in PROOF_IMAGE."
  install_floor
  prove "$proof_image"
}

case ${1:-install} in
  install) install ;;
  config) config "${@:2}" ;;
  floor) print_floor ;;
  prove) prove "${2:?is missing: the image to prove it with}" ;;
  *) fail "unknown command $1; it is config, floor, prove, or nothing to set this machine up." ;;
esac
