# Waits until the check $1 succeeds in the folder $2 with the environment of the service $4, if any, run by bash and
# the script $3; the first look is after $5 seconds. What the last failure said is shown.
[ "$5" = 0 ] || sleep "$5"
until said=$(bash -c "$3" bash "$1" "$2" '' "$4" 2>&1); do
    [ "$said" = "${last:-}" ] || printf '%s\n' "$said" >&2
    last=$said
    sleep 0.2
done
printf '%s\n' "$said"
