# shellcheck shell=bash
# Node.js for the client's tests. Sourced.

# The oldest that the tools of the client's tests run on.
readonly node_major=20 node_minor=19
readonly node_folder=$state/node

# Installs Node.js where there is none, or an older one: npm's registry has the program itself.
node_up() {
  local missing=() arch
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  if ((${#missing[@]})); then apt_install "${missing[@]}"; fi
  if node_is_new "$(command -v node)" || node_is_new "$node_folder/bin/node"; then return 0; fi
  mkdir -p "$state/log"
  arch=$(node --print process.arch)
  say "fetching Node.js $node_major from the npm registry"
  npm install --prefix "$node_folder" --no-audit --no-fund --ignore-scripts "node-linux-$arch@$node_major" >"$state/log/node.log" 2>&1 ||
    fail "npm could not fetch node-linux-$arch@$node_major; see $(tail_of "$state/log/node.log")"
  ln -sfn "node_modules/node-linux-$arch/bin" "$node_folder/bin"
}

# Puts the Node.js that `node_up` has installed before an older one.
node_path() {
  if [[ -x $node_folder/bin/node ]]; then PATH=$node_folder/bin:$PATH; fi
}

node_is_new() {
  "$1" --eval "const [major, minor] = process.versions.node.split('.').map(Number);
    process.exit(major > $node_major || (major === $node_major && minor >= $node_minor) ? 0 : 1)" 2>/dev/null
}
