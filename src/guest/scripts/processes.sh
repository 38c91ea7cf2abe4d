# Ends and removes the user's processes that are not among $@. Then makes sure that the pod's tmux server is up, which
# starts the others.
for file in /etc/pinacle/processes/*; do
    [ -f "$file" ] || continue
    name=${file##*/}
    for kept; do [ "$kept" != "$name" ] || continue 2; done
    rm "$file"
    tmux -N kill-session -t "=process-$name" 2>/dev/null
    echo ended
done
rm -f /etc/s6/tmux/down
exec s6-svc -u /etc/s6/tmux
