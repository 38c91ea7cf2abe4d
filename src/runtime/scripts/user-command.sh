# Runs the user's command $1 in the project folder $2 with the environment of the service $4, if any, and the pod's over
# it. Where $3 is given, success is marked under that name, and the command is not run again.
[ -z "${4:-}" ] || . "/etc/pinacle/services/$4/environment"
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
mkdir -p "$2" && cd "$2" || exit
[ -n "${3:-}" ] || exec sh -c "$1"
sh -c "$1" || exit
mkdir -p /var/lib/pinacle/installed && : >"/var/lib/pinacle/installed/$3"
