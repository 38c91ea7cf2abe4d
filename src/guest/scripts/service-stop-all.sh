# Stops the user's processes, and then all services by the script $1. They stay down when the pod starts again: the
# worker then starts them in order.
stop=$1
set --
for process in /etc/pinacle/processes/*; do
    [ ! -f "$process" ] || set -- "$process"
done
if [ $# != 0 ]; then
    : >/etc/s6/tmux/down
    s6-svc -d /etc/s6/tmux
fi
set --
for service in /etc/s6/service-*; do
    [ ! -d "$service" ] || set -- "$@" "${service#/etc/s6/service-}"
done
[ $# = 0 ] || eval "$stop"
