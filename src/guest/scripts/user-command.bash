# shellcheck disable=SC1090,SC1091 # these files exist only in a pod
# Runs the user's command $1 with bash, as in a terminal, in the project folder $2. The environment is that of the
# service $4, if any, overridden by the pod's. stderr is dropped because bash complains of variables that it keeps
# read-only. If $3 is given, success is marked under that name, so that the command is not run again. A process costs 10
# to 20 ms in a pod, so this shell runs the command itself, in the state of a fresh one: without arguments and with the
# default IFS.
[ -z "${4:-}" ] || . "/etc/pinacle/services/$4/environment" 2>/dev/null
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment 2>/dev/null
IFS=' 	
'
cd "$2" 2>/dev/null || { /bin/mkdir -p "$2" && cd "$2"; } || exit
# .bashrc sets the paths of what the user has installed, as in their terminal.
[ -n "${4:-}" ] || [ ! -r ~/.bashrc ] || . ~/.bashrc
[ -n "${3:-}" ] || { eval "set --; $1"; exit; }
(eval "set --; $1") || exit
[ -d /var/lib/pinacle/installed ] || /bin/mkdir -p /var/lib/pinacle/installed || exit
: >"/var/lib/pinacle/installed/$3"
