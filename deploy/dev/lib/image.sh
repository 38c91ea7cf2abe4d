# shellcheck shell=bash
# The base image, which is built again only when its sources have changed. Sourced.

readonly stock_image=debian:trixie-slim
readonly stock_suite=trixie
readonly base_image=pinacledev/pinacle-base
readonly own_authorities=/usr/local/share/ca-certificates

image_up() {
  local context source
  context=$state/image
  rm -rf "$context" && mkdir -p "$context"
  make_context "$context"
  source=$(tar --create --sort=name --mtime=@0 --owner=0 --group=0 --directory "$context" . | sha256sum | cut -c 1-32)
  if [[ $(docker image inspect --format '{{index .Config.Labels "pinacle.source"}}' "$base_image" 2>/dev/null) != "$source" ]]; then
    if ! docker image inspect "$stock_image" >/dev/null 2>&1; then get_stock_image; fi
    build_image "$context" "$source"
  fi
  rm -rf "$context"
}

# A network that intercepts TLS does so for the pods, too, so they trust the authorities that this machine trusts.
make_context() {
  cp -R "$repository/docker" "$1/docker"
  find "$own_authorities" -name '*.crt' -exec cp {} "$1/docker/ca/" \; 2>/dev/null || true
}

build_image() {
  say "building $base_image (for the first time this takes about ten minutes)"
  # Every Docker has the classic builder, and this Dockerfile needs no more. The host's network certainly reaches the
  # package registries.
  DOCKER_BUILDKIT=0 timeout 2400 docker build --network host --label "pinacle.source=$2" \
    --file "$1/docker/Dockerfile.base" --tag "$base_image" "$1" >"$state/log/image.log" 2>&1 </dev/null ||
    fail "$base_image could not be built; see $(tail_of "$state/log/image.log")"
  docker image prune --force --filter label=pinacle.source >/dev/null
}

# Pulls the image, or makes it from its packages if no registry can be reached.
get_stock_image() {
  if timeout 300 docker pull --quiet "$stock_image" >"$state/log/pull.log" 2>&1; then return 0; fi
  say "making $stock_image from Debian's packages, because it can't be pulled ($state/log/pull.log)"
  local proxy='' options=()
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [[ -n $proxy ]]; then options+=("--aptopt=Acquire::http::Proxy \"$proxy\""); fi
  timeout 900 mmdebstrap --quiet --variant=minbase "${options[@]}" "$stock_suite" - \
    "deb $mirror $stock_suite main" 2>"$state/log/stock.log" </dev/null | docker import - "$stock_image" >/dev/null || {
    docker image rm "$stock_image" >/dev/null 2>&1 || true
    fail "$stock_image can neither be pulled nor made; see $state/log/pull.log and $(tail_of "$state/log/stock.log")"
  }
}
