# shellcheck shell=bash
# Installs the Debian packages that the stack needs, and starts none of their services. Sourced.

# PROGRAM:PACKAGE: the package is installed if the program is missing. A program of another origin, such as Docker's own
# packages, is used.
readonly needed=(
  cc:build-essential curl:curl ip:iproute2 iptables:iptables jq:jq nft:nftables ps:procps
  docker:docker-cli dockerd:docker.io mmdebstrap:mmdebstrap sshd:openssh-server ssh-keygen:openssh-client
  psql:postgresql-client umount:mount
)
# What PostgreSQL and its tests need of these.
readonly needed_by_database=(cc:build-essential ip:iproute2 ps:procps psql:postgresql-client)
# The tests also need a browser for the editor, a git server, and a clock that can be set.
readonly needed_by_tests=(chromium:chromium chromedriver:chromium-driver git:git faketime:faketime)
# These packages enable their services for the next boot. The stack needs only the programs.
declare -rA services=(
  [docker.io]="docker.service docker.socket containerd.service"
  [nftables]=nftables.service
  [openssh-server]=ssh.service
  [postgresql]=postgresql.service
)

# missing_of ENTRY…: prints the packages that are not there.
missing_of() {
  local entry
  for entry; do
    command -v "${entry%%:*}" >/dev/null || printf '%s\n' "${entry#*:}"
  done
}

install_packages() {
  local missing
  PATH=$PATH:/usr/sbin:/sbin
  mapfile -t missing < <(missing_of "${needed[@]}")
  if [[ -z ${DATABASE_URL:-} ]] && ! postgres_bin >/dev/null; then missing+=(postgresql); fi
  # With AppArmor in the kernel and no parser for its profiles, Docker starts no container.
  if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]] && ! command -v apparmor_parser >/dev/null; then
    missing+=(apparmor)
  fi
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
}

install_database() {
  local missing
  mapfile -t missing < <(missing_of "${needed_by_database[@]}")
  if [[ -z ${DATABASE_URL:-} ]] && ! postgres_bin >/dev/null; then missing+=(postgresql); fi
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
}

install_test_tools() {
  local missing
  mapfile -t missing < <(missing_of "${needed_by_tests[@]}")
  # Needed even if DATABASE_URL is set: some tests break a database, and start their own for that.
  if ! postgres_bin >/dev/null; then missing+=(postgresql); fi
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
  node_up
}

apt_install() {
  command -v apt-get >/dev/null ||
    fail "$* is missing, and this isn't a Debian machine. Install it, then run this again."
  say "installing $*"
  mkdir -p "$state/log"
  (
    refuse_service_starts
    {
      apt-get update -q
      # Before Debian 13 the client is part of docker.io.
      apt-cache show docker-cli >/dev/null 2>&1 || set -- "${@/#docker-cli/docker.io}"
      DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    } >"$state/log/apt.log" 2>&1 </dev/null ||
      fail "apt-get could not install $*; see $(tail_of "$state/log/apt.log")"
    local package
    for package; do leave_off "$package"; done
  )
}

# For the rest of this subshell, packages neither start a service nor make a database cluster.
refuse_service_starts() {
  policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/pinacle-dev.conf
  if [[ -e $policy ]]; then mv "$policy" "$policy.pinacle-dev"; fi
  trap 'rm -f "$policy" "$cluster"; if [[ -e $policy.pinacle-dev ]]; then mv "$policy.pinacle-dev" "$policy"; fi' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  mkdir -p "${cluster%/*}"
  printf 'create_main_cluster = false\n' >"$cluster"
}

leave_off() {
  local service
  for service in ${services[$1]:-}; do
    if command -v systemctl >/dev/null; then
      systemctl disable --quiet "$service" >/dev/null 2>&1 || say "could not disable $service for the next boot"
    fi
  done
}
