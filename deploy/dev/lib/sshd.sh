# shellcheck shell=bash
# A private sshd on loopback, which the worker sees as a pod host. Sourced.

readonly ssh_state=$state/ssh
# Whatever runs over this sshd has this in its environment, so that its leftovers can be found.
readonly ssh_mark=PINACLE_DEV_SSHD=$ssh_state

own_sshd() { pid_in "$ssh_state/sshd.pid" "$ssh_state"; }

sshd_up() {
  local port
  if own_sshd >/dev/null; then
    port=$(sed -n 's/^Port //p' "$ssh_state/sshd_config")
  else
    port=$(free_port)
    start_sshd "$port"
  fi
  printf 'export SSH_PRIVATE_KEY_FILE=%q\n' "$ssh_state/client_key"
  printf 'export PINACLE_DEV_SSH_HOST=127.0.0.1 PINACLE_DEV_SSH_PORT=%q PINACLE_DEV_SSH_USER=root\n' "$port"
  printf 'export PINACLE_DEV_SSH_HOST_KEY=%q\n' "$(cut -d ' ' -f 1,2 "$ssh_state/host_key.pub")"
  printf 'export PINACLE_DEV_SSHD_PIDFILE=%q\n' "$ssh_state/sshd.pid"
}

start_sshd() {
  local port=$1 key pam=no
  say "starting sshd on port $port"
  install -d -m 0700 "$ssh_state"
  for key in host_key client_key; do
    [[ -s $ssh_state/$key ]] || ssh-keygen -q -t ed25519 -N '' -C "pinacle-dev $key" -f "$ssh_state/$key"
  done
  # Without PAM, sshd refuses even a key to an account whose password is locked.
  if [[ $(getent shadow root | cut -d : -f 2) == '!'* ]]; then pam=yes; fi
  # StrictModes is off because the folder above, /var/tmp, is writable for everyone. SHLVL keeps bash from reading
  # .bashrc for each command over SSH, because a slow one would slow down every command.
  cat >"$ssh_state/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $ssh_state/host_key
PidFile $ssh_state/sshd.pid
AuthorizedKeysFile $ssh_state/client_key.pub
StrictModes no
UsePAM $pam
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SHLVL=1 $ssh_mark${DOCKER_HOST:+ DOCKER_HOST=$DOCKER_HOST}
END
  # Debian's unit makes this directory. sshd itself doesn't, and needs it.
  if [[ ! -d /run/sshd ]]; then
    mkdir -m 0755 /run/sshd
    touch "$ssh_state/made-run-sshd"
  fi
  rm -f "$ssh_state/sshd.pid"
  detached "$(command -v sshd)" -f "$ssh_state/sshd_config" -E "$state/log/sshd.log" ||
    fail "sshd refused its settings; see $(tail_of "$state/log/sshd.log")"
  wait_for 20 own_sshd || fail "sshd did not start within 20 seconds; see $(tail_of "$state/log/sshd.log")"
  ssh_probe "$port" || fail "sshd on port $port doesn't let root in with a key; see $(tail_of "$state/log/sshd.log")"
}

ssh_probe() {
  timeout 20 ssh -F /dev/null -i "$ssh_state/client_key" -p "$1" -o BatchMode=yes -o IdentitiesOnly=yes \
    -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR root@127.0.0.1 docker version >/dev/null
}

sshd_down() {
  local pid
  if pid=$(own_sshd); then end "$pid" sshd; fi
  # A connection outlives the listener, and a command may outlive its connection.
  grep -lszxF -- "$ssh_mark" /proc/[0-9]*/environ | cut -d / -f 3 |
    while read -r pid; do end "$pid" "a command left over from SSH"; done || true
  if [[ -e $ssh_state/made-run-sshd ]]; then rmdir /run/sshd 2>/dev/null || true; fi
  rm -f "$ssh_state/sshd.pid" "$ssh_state/made-run-sshd"
}
