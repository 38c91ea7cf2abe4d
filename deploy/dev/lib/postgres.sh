# shellcheck shell=bash
# A private PostgreSQL, which is new at each start. One that runs is left alone. Sourced.

postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  [[ -n $newest ]] && printf '%s\n' "$newest"
}

# PostgreSQL refuses to run as root, and complains where it can't enter the caller's directory.
as_postgres() { (cd / && detached runuser -u postgres -- "$@"); }

postgres_is_up() { [[ -d $state/postgres/data ]] && as_postgres "$(postgres_bin)/pg_ctl" status -D "$state/postgres/data" >/dev/null; }

postgres_up() {
  if [[ -n ${DATABASE_URL:-} ]]; then
    psql -X "$DATABASE_URL" -c 'select 1' >/dev/null ||
      fail "the database that DATABASE_URL names doesn't respond. Start it, or unset DATABASE_URL to have a private one."
    printf 'export DATABASE_URL=%q\n' "$DATABASE_URL"
    return 0
  fi

  if ! postgres_is_up; then start_postgres; fi
  local port password
  port=$(sed -n 's/^port = //p' "$state/postgres/data/postgresql.conf")
  password=$(<"$state/postgres/password")
  # The URL is exported twice, so that a later `up` in a shell with these settings recognises it as its own.
  printf 'export DATABASE_URL=%q\n' "postgres://pinacle:$password@127.0.0.1:$port/pinacle"
  printf 'export PINACLE_DEV_DATABASE_URL=$DATABASE_URL\n'
}

start_postgres() {
  local bin port password
  bin=$(postgres_bin) || fail "there is no PostgreSQL under /usr/lib/postgresql. Install the package postgresql, or set DATABASE_URL."
  rm -rf "$state/postgres"
  install -d -o postgres -g postgres -m 0700 "$state/postgres"
  password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
  port=$(free_port)

  say "starting PostgreSQL on port $port"
  # Other users of this machine can reach a loopback port, so a password is needed.
  install -o postgres -m 0600 <(printf '%s\n' "$password") "$state/postgres/password"
  as_postgres "$bin/initdb" --no-sync --pgdata "$state/postgres/data" --username pinacle --auth scram-sha-256 \
    --pwfile "$state/postgres/password" --encoding UTF8 --locale C.UTF-8 >"$state/log/initdb.log" 2>&1 ||
    fail "initdb failed; see $(tail_of "$state/log/initdb.log")"
  # The tests run side by side, and those of crashes have ten workers each.
  cat >>"$state/postgres/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$state/postgres'
max_connections = 500
END
  as_postgres "$bin/pg_ctl" start --wait --timeout 60 -D "$state/postgres/data" -l "$state/postgres/log" >/dev/null ||
    fail "PostgreSQL did not start within 60 seconds; see $(tail_of "$state/postgres/log")"
  PGPASSWORD=$password "$bin/createdb" -h 127.0.0.1 -p "$port" -U pinacle pinacle
}

postgres_down() {
  if postgres_is_up; then
    as_postgres "$(postgres_bin)/pg_ctl" stop --wait --timeout 60 --mode fast -D "$state/postgres/data" >/dev/null ||
      fail "PostgreSQL did not stop within 60 seconds; see $(tail_of "$state/postgres/log")"
  fi
  rm -rf "$state/postgres"
}
