# Says of each of the user's processes $@ that has ended how, and what it printed last. One that was started just now has
# a second to show that it lasts.
look() { mapfile -t sessions < <(tmux -N list-sessions -F '#{session_name} #{session_created} #{@exited}' 2>/dev/null); }
look
for session in "${sessions[@]}"; do
    read -r name created _ <<<"$session"
    [[ $name != process-* ]] || ((EPOCHSECONDS - created > 1)) || { sleep 1 && look && break; }
done
for process; do
    said="process $process is gone"
    for session in "${sessions[@]}"; do
        read -r name _ code <<<"$session"
        [ "$name" = "process-$process" ] || continue
        [ -n "$code" ] || continue 2
        said="process $process has ended with exit code $code"
        last=$(tmux -N capture-pane -p -t "=$name:" | sed -n "/^\[$process ended with exit code/{x;p;q}; /./h")
        [ -z "$last" ] || said="$said, and printed last: ${last:0:200}"
    done
    printf '%s\n' "$said"
done
