# shellcheck shell=bash
# Finds the runsc to use. Sourced.
#
# Debian 13's is used on Debian 12 too: Debian 12's has only the slow platform, ptrace. It is a static
# program, so the one file is fetched and unpacked, and this machine's own package sources stay as they are.

readonly runsc_suite=trixie

runsc_has_systrap() { [[ -x $1 ]] && [[ $("$1" flags 2>&1) == *systrap* ]]; }

# Prints the path of the best runsc that is available.
find_runsc() {
  local here fetched=$state/runsc/usr/bin/runsc
  here=$(command -v runsc || true)
  if [[ -z $here ]] && package_is_recent; then
    apt_install runsc
    here=$(command -v runsc)
  fi
  if runsc_has_systrap "$here"; then
    printf '%s\n' "$here"
  elif runsc_has_systrap "$fetched" || fetch_runsc >"$state/log/runsc.log" 2>&1; then
    printf '%s\n' "$fetched"
  else
    say "Debian $runsc_suite's runsc can't be fetched ($state/log/runsc.log); using this Debian's own, which is slower"
    [[ -n $here ]] || apt_install runsc
    command -v runsc || fail "the package runsc is installed, but there is no program runsc. Try: apt-get install --reinstall runsc"
  fi
}

# Compares with the first Debian package that has systrap.
package_is_recent() {
  local version
  version=$(apt-cache policy runsc | awk '$1 == "Candidate:" { print $2 }')
  dpkg --compare-versions "$version" ge 0.0~20240101
}

fetch_runsc() {
  local apt=$state/apt
  rm -rf "$apt" "$state/runsc"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$runsc_suite" >"$apt/sources.list"
  printf '%s "%s";\n' >"$apt/apt.conf" \
    Dir::Etc::SourceList "$apt/sources.list" Dir::Etc::SourceParts /dev/null \
    Dir::Etc::Preferences /dev/null Dir::Etc::PreferencesParts /dev/null \
    Dir::State::Lists "$apt/lists" Dir::Cache "$apt/cache" APT::Sandbox::User root
  # The caller asks whether this succeeds, and then bash ignores `set -e`.
  APT_CONFIG=$apt/apt.conf apt-get update &&
    (cd "$apt" && APT_CONFIG=$apt/apt.conf apt-get download runsc && dpkg -x runsc_*.deb "$state/runsc") &&
    rm -rf "$apt" &&
    runsc_has_systrap "$state/runsc/usr/bin/runsc"
}
