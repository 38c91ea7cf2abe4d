# shellcheck disable=SC1090,SC1091 # what is read is there only in a pod
# Runs the user's command $1 in the project folder $2 with the environment of the service $4, if any, and the pod's over
# it: in bash, as in a terminal. Bash keeps some names to itself, and would complain of each. Where $3 is given, success is
# marked under that name, and the command is not run again. A process costs 10 to 20 ms in a pod, so the command is this very
# shell's, as a fresh one would be: without arguments, and with its own IFS.
[ -z "${4:-}" ] || . "/etc/pinacle/services/$4/environment" 2>/dev/null
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment 2>/dev/null
IFS=' 	
'
cd "$2" 2>/dev/null || { /bin/mkdir -p "$2" && cd "$2"; } || exit
# What a user has installed is found as in their terminal.
[ -n "${4:-}" ] || [ ! -r ~/.bashrc ] || . ~/.bashrc
[ -n "${3:-}" ] || { eval "set --; $1"; exit; }
(eval "set --; $1") || exit
[ -d /var/lib/pinacle/installed ] || /bin/mkdir -p /var/lib/pinacle/installed || exit
: >"/var/lib/pinacle/installed/$3"
