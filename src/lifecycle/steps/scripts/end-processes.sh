# Ends the user's processes that are not among $@, and forgets them.
for file in /etc/pinacle/processes/*; do
    [ -f "$file" ] || continue
    name=${file##*/}
    for kept; do [ "$kept" != "$name" ] || continue 2; done
    rm "$file"
    tmux -N kill-session -t "=process-$name" 2>/dev/null
    echo ended
done
exit 0
