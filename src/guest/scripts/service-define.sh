# Stores the service $1: its start command $2, its cleanup command $3, its port $4, and its environment from stdin. A
# changed service is stopped, so that its next start uses the new definition.
set -eu
defined=/etc/pinacle/services/$1 service=/etc/s6/service-$1
umask 077
# nginx lets only the pod's own pages use these ports.
[ ! -d /var/lib/pinacle/ports ] || printf '%s\n' "$1" >"/var/lib/pinacle/ports/$4"
[ ! -e "$defined.new" ] || rm -rf "$defined.new"
mkdir -p "$defined.new"
printf '%s\n' "$2" >"$defined.new/start"
printf '%s\n' "$3" >"$defined.new/cleanup"
cat >"$defined.new/environment"
if [ -e "$defined" ]; then
    if diff -r "$defined.new" "$defined" >/dev/null 2>&1; then
        rm -r "$defined.new"
        exit
    fi
    rm -rf "$defined"
fi
mv "$defined.new" "$defined"
[ ! -d "$service" ] || s6-svc -wD -d "$service"
