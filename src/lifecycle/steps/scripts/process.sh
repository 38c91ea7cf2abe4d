# Starts the user's command $4 in the tmux session $1, in the folder $2, by the script $3; a session that is there stays.
if tmux has-session -t "=$1" 2>/dev/null; then echo 'already running'; exit 0; fi
mkdir -p "$2"
exec tmux new-session -d -s "$1" -c "$2" -- sh -c "$3" sh "$4" "$2"
