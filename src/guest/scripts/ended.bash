# Prints for each of the user's processes $@ that has ended how it ended and what it printed last. A process that has
# just started gets a second to fail.
list_sessions() {
    mapfile -t sessions < <(tmux -N list-sessions -F '#{session_name} #{session_created} #{@exited}' 2>/dev/null)
}
list_sessions
for session in "${sessions[@]}"; do
    read -r name created _ <<<"$session"
    [[ $name != process-* ]] || ((EPOCHSECONDS - created > 1)) || { sleep 1 && list_sessions && break; }
done
for process; do
    report="process $process is gone"
    for session in "${sessions[@]}"; do
        read -r name _ code <<<"$session"
        [ "$name" = "process-$process" ] || continue
        [ -n "$code" ] || continue 2
        report="process $process has ended with exit code $code"
        last=$(tmux -N capture-pane -p -t "=$name:" | sed -n "/^\[$process ended with exit code/{x;p;q}; /./h")
        [ -z "$last" ] || report="$report, and printed last: ${last:0:200}"
    done
    printf '%s\n' "$report"
done
