# shellcheck shell=bash
# The floor under the pods' network, and a neighbour of this machine: a network namespace in which tests run servers.
# Sourced.

readonly neighbour=pinacle-neighbour
# The addresses of this machine's end and of the neighbour. They are reserved for documentation, so nobody uses them.
readonly neighbour_gateway=198.51.100.1 neighbour_address=198.51.100.2
# The registries that pods get packages from. In a private network their addresses may not be public.
readonly registries=(
  deb.debian.org registry.npmjs.org pypi.org files.pythonhosted.org index.crates.io static.crates.io github.com
)
readonly floor_mark=$state/floor

network_up() {
  floor_up
  neighbour_up
  printf 'export PINACLE_DEV_NEIGHBOUR=%q PINACLE_DEV_NEIGHBOUR_ADDRESS=%q PINACLE_DEV_NEIGHBOUR_GATEWAY=%q\n' \
    "$neighbour" "$neighbour_address" "$neighbour_gateway"
}

floor_is_up() { nft list table inet pinacle >/dev/null 2>&1; }

# A floor that this machine already has is left alone.
floor_up() {
  if floor_is_up && [[ ! -e $floor_mark ]]; then return 0; fi
  say "setting up the floor of the pods' network"
  touch "$floor_mark"
  EGRESS_ALLOW=${EGRESS_ALLOW:-$(reached_registries)$neighbour_address} "$repository/deploy/pod-host.sh" floor | nft --file - ||
    fail "the floor of the pods' network can't be set up; the reason is printed above. See EGRESS_ALLOW in deploy/pod-host.sh."
}

reached_registries() {
  local name
  for name in "${registries[@]}"; do getent ahostsv4 "$name"; done | awk '!seen[$1]++ { printf "%s,", $1 }'
}

neighbour_up() {
  if ip netns exec "$neighbour" ip address show dev eth0 >/dev/null 2>&1; then return 0; fi
  neighbour_down
  ip netns add "$neighbour"
  ip link add pinacle-near type veth peer name eth0 netns "$neighbour"
  ip address add "$neighbour_gateway/30" dev pinacle-near
  ip link set pinacle-near up
  ip -n "$neighbour" link set lo up
  ip -n "$neighbour" address add "$neighbour_address/30" dev eth0
  ip -n "$neighbour" link set eth0 up
  ip -n "$neighbour" route add default via "$neighbour_gateway"
}

neighbour_down() {
  if ip link show pinacle-near >/dev/null 2>&1; then ip link delete pinacle-near; fi
  if ip netns list | grep -q "^$neighbour\b"; then ip netns delete "$neighbour"; fi
}

network_down() {
  neighbour_down
  if [[ -e $floor_mark ]]; then
    nft delete table inet pinacle 2>/dev/null || true
    rm -f "$floor_mark"
  fi
}
