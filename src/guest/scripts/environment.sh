# Reads from stdin the environment of every later command ($1 bytes of shell code), and then the .env file of the
# project in the folder $2, whose first line says that it is ours. Each file is written whole or not at all. A project's
# own .env is left alone, and an empty one is removed.
set -eu
put() {
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; echo written; fi
}
umask 077
head -c "$1" >/etc/pinacle/environment.new
put /etc/pinacle/environment
cd "$2"
cat >.env.new
if [ -e .env ] && [ "$(head -n 1 .env)" != "$(head -n 1 .env.new)" ]; then rm .env.new
elif [ "$(wc -l <.env.new)" -gt 1 ]; then put .env
else rm -f .env .env.new && exit
fi
# Keeps the file from being committed by mistake, without a change of the project's own files.
exclude=$(git rev-parse --git-path info/exclude 2>/dev/null) || exit 0
mkdir -p "${exclude%/*}"
grep -qx /.env "$exclude" 2>/dev/null || echo /.env >>"$exclude"
