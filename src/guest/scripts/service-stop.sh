# Stops the services $@. They stay down when the pod starts again: the worker then starts them in order. Each has 8 s to
# end by itself, and then its cleanup command is run.
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
        # The variables may have any name and value, even those of this script's own.
        set -- "$name"
        . "/etc/pinacle/services/$1/environment"
        [ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
        cd "${PINACLE_PROJECT_DIR:-/}"
        /bin/sh "/etc/pinacle/services/$1/cleanup"
    ) || echo "the cleanup command of $name failed" >&2
done
