# Ends the user's processes, and takes down all services by the script $1. Both stay so when the pod starts again: the worker
# starts them in their order then.
stop=$1
if [ -d /etc/s6/tmux ]; then
    : >/etc/s6/tmux/down
    s6-svc -d /etc/s6/tmux
fi
set --
for service in /etc/s6/service-*; do
    [ ! -d "$service" ] || set -- "$@" "${service#/etc/s6/service-}"
done
[ $# = 0 ] || eval "$stop"
