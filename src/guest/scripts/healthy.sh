# Waits until the check $1 succeeds in the folder $2 with the environment of the service $4, if any. Bash runs the check
# by the script $3, for the first time after $5 seconds. The output of a failed check is printed when it changes.
[ "$5" = 0 ] || sleep "$5"
until output=$(bash -c "$3" bash "$1" "$2" '' "$4" 2>&1); do
    [ "$output" = "${last:-}" ] || printf '%s\n' "$output" >&2
    last=$output
    sleep 0.2
done
printf '%s\n' "$output"
