# Takes down the services $@ and keeps them so when the pod starts again: the worker starts them in their order then.
# They have some seconds to leave by themselves, and the cleanup command of each is run when it has.
set -eu
for name; do
    service=/etc/s6/service-$name
    touch "$service/down"
    s6-svc -d "$service"
done
for name; do
    shift
    set -- "$@" "/etc/s6/service-$name"
done
s6-svwait -D -t 8000 "$@" || for service; do s6-svc -k "$service"; done
for service; do
    name=${service#/etc/s6/service-}
    (
        # The variables may have any name and value, this script's own among them.
        set -- "$name"
        . "/etc/pinacle/services/$1/environment"
        [ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
        cd "${PINACLE_PROJECT_DIR:-/}"
        /bin/sh "/etc/pinacle/services/$1/cleanup"
    ) || echo "the cleanup command of $name failed" >&2
done
