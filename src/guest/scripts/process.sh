# Stores the user's process $1 with its command $2 and makes sure that it runs, in a session of the pod's tmux server,
# which starts it again whenever the pod starts.
set -eu
mkdir -p /etc/pinacle/processes
printf '%s\n' "$2" >"/etc/pinacle/.process-$1"
mv "/etc/pinacle/.process-$1" "/etc/pinacle/processes/$1"
exec /usr/lib/pinacle/process "$1"
