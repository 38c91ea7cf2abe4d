# Waits until the user's check $1 succeeds in the folder $2, run by the script $3. What the last failure said is shown.
until said=$(sh -c "$3" sh "$1" "$2" 2>&1); do
    [ "$said" = "${last:-}" ] || printf '%s\n' "$said" >&2
    last=$said
    sleep 1
done
printf '%s\n' "$said"
