# The guard: runs one command on a pod host, or inside a container, for the worker at the other end of stdin.
# Plain POSIX sh with coreutils and util-linux; nothing is installed. src/host/guard.rs writes and reads the protocol.
#
#   out   on stdout and on stderr: \036pinacle-guard <uptime in s>    all before it is noise of the login shell
#   in    NONCE ORDER_BYTES INPUT_BYTES                              one line; INPUT_BYTES may be `all`
#         ORDER_BYTES bytes: the quoted words  FENCE LEASE EXPIRES LIMIT CLOSE ARGV... NONCE
#         INPUT_BYTES bytes: the command's stdin, or all that comes, for a guard that this one runs
#         end of file: end the command
#   out   the command's output, and last on each stream: \036NONCE <outcome> <exit code>
#         outcome: exited, timed-out, ended (by the worker or a newer lease), fenced, expired, busy
#
# FENCE is the pod's id, or `-` for a command of no pod. The pod's fence file says "LEASE GUARD COMMAND" and is
# locked for as long as any process of the command lives, so the kernel says who is alive, not a pid that may be stale.
# EXPIRES is the host's uptime up to which the worker surely holds its lease: a worker that was frozen between
# looking at its clock and sending finds its order stale here. LIMIT is in seconds.
umask 077
uptime() { read -r up _ </proc/uptime; up=${up%%.*}; }
report() { printf '\036%s %s %s\n' "$nonce" "$1" "$2"; printf '\036%s %s %s\n' "$nonce" "$1" "$2" >&4; exit 0; }

uptime
printf '\036pinacle-guard %s\n' "$up"
printf '\036pinacle-guard %s\n' "$up" >&2
exec 4>&2 2>/dev/null    # the shell's own "Terminated" is no output of the command
IFS=' ' read -r nonce order_bytes input_bytes || exit 0
order=$(head -c "$order_bytes")
# A connection that died in the middle of the order must not leave half of it to be run.
[ "${order% "$nonce"}" != "$order" ] || exit 0
eval "set -- ${order% "$nonce"}"
fence=$1 lease=$2 expires=$3 limit=$4 close=$5
shift 5

if [ "$fence" != - ]; then
    uptime
    [ "$up" -le "$expires" ] || report expired 0
    dir=/var/lib/pinacle-worker/fences
    [ -w "$dir" ] || mkdir -p "$dir" || { dir=$HOME/.pinacle-worker/fences; mkdir -p "$dir"; }
    file=$dir/$fence
    tries=0
    while :; do
        exec 9>>"$file"
        if flock -n 9; then
            [ "$file" -ef /proc/self/fd/9 ] && break    # not the file of a pod that was just destroyed
            continue
        fi
        held='' guard='' command=''
        read -r held guard command <"$file"
        [ "${held:-0}" -le "$lease" ] || report fenced 0
        # An older lease, or this one after a lost connection, still runs a command: end it first.
        tries=$((tries + 1))
        case $tries in
            1) [ -z "$guard" ] || kill -TERM $guard; [ -z "$command" ] || kill -TERM $command ;;
            9) [ -z "$command" ] || kill -9 "-$command"; [ -z "$guard" ] || kill -9 $guard ;;
            12) report busy 0 ;;
        esac
        flock -w 1 9 && flock -u 9
    done
    read -r held guard command <"$file"
    [ "${held:-0}" -le "$lease" ] || report fenced 0
    printf '%s %s\n' "$lease" $$ >"$file"
fi

# Three processes: this one waits and reports; the runner has the command as its child; the feeder hands the command
# its stdin and then watches for the end of ours. The feeder's first line to the runner is its pid.
ended='' runner=''
trap 'ended=1; [ -z "$runner" ] || kill -TERM "$runner"' TERM INT HUP
exec 3<&0
uptime
began=$up
{
    read -r self _ </proc/self/stat
    echo "$self"
    if [ "$input_bytes" = all ]; then
        cat <&3
        exec >&-
        timeout 8 tail --pid=$$ -f /dev/null    # the guard inside ends its command first
    else
        head -c "$input_bytes" <&3
        exec >&-
        while IFS= read -r _ <&3; do :; done
    fi
    # Only while this guard lives is it the parent here, and $$ its pid.
    read -r _ _ _ parent _ </proc/self/stat
    [ "$parent" != $$ ] || kill -TERM $$
} 4>&- 9>&- | {
    ended='' command=''
    trap 'ended=1; [ -z "$command" ] || kill -TERM "$command"' TERM
    read -r feeder
    exec 5<&0
    timeout -k 5 "$limit" "$@" <&5 2>&4 3<&- 4>&- 5<&- &
    command=$!
    [ -z "$ended" ] || kill -TERM "$command"
    [ "$fence" = - ] || printf '%s %s %s\n' "$lease" $$ "$command" >"$file"
    while :; do
        wait "$command"
        code=$?
        kill -0 "$command" || break
    done
    kill -TERM "$feeder"
    exit "$code"
} &
runner=$!
[ -z "$ended" ] || kill -TERM "$runner"
while :; do
    wait "$runner"
    code=$?
    kill -0 "$runner" || break
done
[ "$close" != close ] || rm -f "$file"

uptime
if [ -n "$ended" ]; then report ended "$code"
elif { [ "$code" = 124 ] || [ "$code" = 137 ]; } && [ $((up - began)) -ge "$limit" ]; then report timed-out "$code"
else report exited "$code"
fi
