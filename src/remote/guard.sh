# The guard: runs one command on a pod host, or inside a container, for the worker at the other end of stdin.
# Plain POSIX sh with coreutils and util-linux; nothing is installed. src/host/guard.rs writes and reads the protocol.
#
#   out   on stdout and on stderr: \036pinacle-guard <uptime in s>    all before it is noise of the login shell
#   in    NONCE ORDER_BYTES INPUT_BYTES                              one line; INPUT_BYTES may be `all`
#         ORDER_BYTES bytes: the quoted words  FENCE LEASE EXPIRES LIMIT CLOSE ARGV... NONCE
#         INPUT_BYTES bytes: the command's stdin, and a line end; or all that comes, for a guard that this one runs
#         end of file: end the command
#   out   the command's output, and last on each stream: \036NONCE <outcome> <exit code>
#         outcome: exited, timed-out, ended (by the worker or a newer lease), fenced, expired, busy, unfenced
#
# FENCE is the pod's id, or `-` for a command of no pod. The pod's fence file says "LEASE GUARD" and is locked for as
# long as any process of the command lives, so the kernel says who is alive, not a pid that may be stale. Who has the
# lock has it as its descriptor 9; who waits for it, as 8.
# EXPIRES is the host's uptime up to which the worker surely holds its lease: a worker that was frozen between
# looking at its clock and sending finds its order stale here. LIMIT is in seconds.
uptime() { read -r up _ </proc/uptime; up=${up%%.*}; }
report() { printf '\036%s %s %s\n' "$nonce" "$1" "$2"; printf '\036%s %s %s\n' "$nonce" "$1" "$2" >&4; exit 0; }
fresh() { uptime; [ "$up" -lt "$expires" ] || report expired 0; }

# Each shell here hands the wish for the end on to the next. A shell that was just forked loses the signals that come
# before it has dropped its parent's traps, so it says by USR2 when it can take one; what came before is handed on then.
listen() { ended='' ready='' next=''; trap 'ended=1; hand_on' TERM "$@"; trap 'ready=1; hand_on' USR2; }
hand_on() { [ -z "$ended" ] || [ -z "$ready" ] || [ -z "$next" ] || kill -TERM "$next"; }
# To the parent, as long as it is that one: a dead one's pid may be another's by now.
tell() { read -r _ _ _ parent _ </proc/self/stat; [ "$parent" != "$1" ] || kill -"$2" "$1"; }
# A signal ends a `wait`, too; the status is the signal's then, and the child's is had by asking again.
await() {
    while
        wait "$1"
        code=$?
        kill -0 "$1"
    do :; done
    wait "$1"
    set -- $?
    [ "$1" = 127 ] || code=$1
}

uptime
[ -n "$up" ] || exit 1
printf '\036pinacle-guard %s\n' "$up"
printf '\036pinacle-guard %s\n' "$up" >&2
exec 4>&2 2>/dev/null    # the shell's own "Terminated" is no output of the command
unset nonce order        # a variable of the environment would stay one, and the command is not to know these
IFS=' ' read -r nonce order_bytes input_bytes || exit 0
order=$(head -c "$order_bytes")
# A connection that died in the middle of the order must not leave half of it to be run.
[ "${order% "$nonce"}" != "$order" ] || exit 0
eval "set -- ${order% "$nonce"}"
fence=$1 lease=$2 expires=$3 limit=$4 close=$5
shift 5

# From before the lease is signed, so that whoever then asks this guard to end has an answer.
listen INT HUP
if [ "$fence" != - ]; then
    fresh
    dir=/var/lib/pinacle-worker/fences
    [ -w "$dir" ] || { mkdir -p -m 700 "$dir" && [ -w "$dir" ]; } ||
        { dir=$HOME/.pinacle-worker/fences; mkdir -p -m 700 "$dir"; }
    file=$dir/$fence
    tries=0 before=' '
    while ! [ "$file" -ef /proc/self/fd/8 ]; do    # not the file of a pod that was just destroyed
        command exec 8>>"$file" || report unfenced 0
        while :; do
            flock -n 8
            locked=$?
            # By the descriptor: a file that was removed while we waited still tells which lease did so.
            held='' guard=''
            read -r held guard </proc/self/fd/8
            [ "${held:-0}" -le "$lease" ] || report fenced 0
            case $locked in
                0) break ;;
                1) ;;
                *) report unfenced 0 ;;
            esac
            # An older lease, or this one after a lost connection, still runs a command: end it first. Its guard does
            # it best; where that is dead, whoever has had the lock for a second: who has only just got it may be a newer
            # lease that has yet to sign.
            tries=$((tries + 1))
            [ "$tries" -lt 17 ] || report busy 0
            if [ "$tries" -lt 14 ] && [ "/proc/$guard/fd/9" -ef /proc/self/fd/8 ]; then
                kill -TERM "$guard"
            else
                signal=TERM now=' '
                [ "$tries" -lt 14 ] || signal=KILL
                for holder in /proc/[0-9]*/fd/9; do
                    [ "$holder" -ef /proc/self/fd/8 ] || continue
                    holder=${holder#/proc/} holder=${holder%/fd/9} now="$now$holder "
                    case $before in *" $holder "*) kill -"$signal" "$holder" ;; esac
                done
                before=$now
            fi
            flock -w 1 8
        done
    done
    exec 9>&8 8>&-
    fresh
    # In place and of one length, so that a full disk can't lose the lease that is there.
    printf '%-40s\n' "$lease $$" 1<>"$file" || report unfenced 0
fi

# Three processes: this one waits and reports; the runner has the command as its child; the feeder hands the command
# its stdin and then watches for the end of ours. The feeder's first line to the runner is its pid.
#
# TERM asks for the end: what is a guard itself loses its stdin, so that it ends its own command first; all else gets
# TERM, too. USR1 says that the time for that is over.
trap '[ -z "$next" ] || kill -USR1 "$next"' USR1
exec 3<&0
uptime
began=$up
{
    exec 4>&- 9>&-    # not as the braces' redirection, of which dash keeps a copy
    listen
    read -r self _ </proc/self/stat
    echo "$self"
    if [ "$input_bytes" = all ]; then
        { tell "$self" USR2; exec cat; } <&3 &
        next=$!
        hand_on
        await "$next"
        next=''
        exec >&-
        tell $$ TERM
        timeout 7 tail -s 0.1 --pid=$$ -f /dev/null >/dev/null 3<&-    # which does not wait without a stdout
        tell $$ USR1
    else
        [ "$input_bytes" = 0 ] || head -c "$input_bytes" <&3
        if IFS= read -r _ <&3; then
            exec >&-
            while IFS= read -r _ <&3; do :; done
            tell $$ TERM
        else
            # Half of the input must not be taken for all of it: the command's stdin stays open to its end.
            tell $$ TERM
            exec tail --pid=$$ -f /dev/null 3<&-
        fi
    fi
} | {
    command=''
    listen
    trap '[ -z "$command" ] || kill -TERM "$command"' USR1
    tell $$ USR2
    # Of all that the command started, for so many tenths of a second.
    await_end() {
        tries=0
        while kill -s 0 -- "-$command" && [ "$tries" -lt "$1" ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
    }
    read -r feeder || exit 143
    exec 5<&0
    read -r self _ </proc/self/stat
    { tell "$self" USR2; exec timeout -k 5 "$limit" "$@"; } <&5 2>&4 3<&- 4>&- 5<&- &
    command=$!
    if [ "$input_bytes" = all ]; then next=$feeder; else next=$command; fi
    hand_on
    await "$command"
    # A command that ended by itself may leave a daemon; one that was ended leaves nothing, after a moment to leave by itself.
    if [ -n "$ended" ] || [ "$code" = 124 ] || [ "$code" = 137 ]; then
        kill -s TERM -- "-$command"    # a `timeout` that is ended while it forks tells nobody
        await_end 50
        kill -s KILL -- "-$command"
        await_end 10    # what was killed is not gone at once
    fi
    kill -KILL "$feeder"
    exit "$code"
} &
next=$!
hand_on
await "$next"
[ "$close$code$ended" != close0 ] || rm -f "$file"
[ "$fence" = - ] || exec 9>&-    # the next command need not wait

uptime
if [ -n "$ended" ]; then report ended "$code"
elif { [ "$code" = 124 ] || [ "$code" = 137 ]; } && [ $((up - began)) -ge "$limit" ]; then report timed-out "$code"
else report exited "$code"
fi
