# Takes down the services $@ and keeps them so when the pod starts again: the worker starts them in their order then.
# Each has some seconds to leave by itself, and its cleanup command is run when it has.
set -eu
for name; do
    service=/etc/s6/service-$name
    touch "$service/down"
    s6-svc -d "$service"
done
for name; do
    s6-svwait -D -t 8000 "/etc/s6/service-$name" || s6-svc -k "/etc/s6/service-$name"
    (
        . "/etc/pinacle/services/$name/environment"
        [ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
        cd "${PINACLE_PROJECT_DIR:-/}"
        sh "/etc/pinacle/services/$name/cleanup"
    ) || echo "the cleanup command of $name failed" >&2
done
