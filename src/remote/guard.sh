# The guard: runs one command on a pod host, or inside a container, for the worker at the other end of stdin.
# Plain POSIX sh with coreutils and util-linux; nothing is installed. src/remote/guard.rs writes and reads the protocol; docs/guard.md explains it.
#
#   out   on stdout and on stderr: \036pinacle-guard <uptime in s>    what comes before it is the login shell's
#   in    NONCE ORDER_BYTES INPUT_BYTES                              one line; INPUT_BYTES may be `all`
#         ORDER_BYTES bytes: the quoted words  FENCE LEASE EXPIRES LIMIT CLOSE ARGV... NONCE
#         INPUT_BYTES bytes: the command's stdin, and a line end; or all that comes, for a guard that this one runs
#         end of file: end the command
#   out   the command's output, and last on each stream: \036NONCE <outcome> <exit code>
#         outcome: exited, timed-out, ended (by the worker or a newer lease), fenced, expired, busy, unfenced
#
# FENCE is the pod's id, or `-` for a command of no pod. The pod's fence file says "LEASE GUARD" and is locked for as
# long as any process of the command lives, so the kernel says which guard is alive, not a pid that may be stale. The
# holder of the lock has the file as its descriptor 9; a guard that waits for it, as 8.
# EXPIRES is the host's uptime up to which the worker surely holds its lease: the order of a worker that was frozen
# between reading its clock and sending is stale here. LIMIT is in seconds.
uptime() { read -r up _ </proc/uptime; up=${up%%.*}; }
report() { printf '\036%s %s %s\n' "$nonce" "$1" "$2"; printf '\036%s %s %s\n' "$nonce" "$1" "$2" >&4; exit 0; }
fresh() { uptime; [ "$up" -lt "$expires" ] || report expired 0; }

# Each shell here passes a request to end on to the next. A shell that was just forked loses the signals that come before
# it has dropped its parent's traps, so it sends USR2 when it can take one; an earlier request is passed on then.
on_request() { ended='' ready='' next=''; trap 'ended=1; pass_on' TERM "$@"; trap 'ready=1; pass_on' USR2; }
pass_on() { [ -z "$ended" ] || [ -z "$ready" ] || [ -z "$next" ] || kill -TERM "$next"; }
# Signals the parent, as long as it is that one: the pid of a dead one may be another's by now.
signal_parent() { read -r _ _ _ parent _ </proc/self/stat; [ "$parent" != "$1" ] || kill -"$2" "$1"; }
# A signal ends a `wait`, too; the status is the signal's then, and another `wait` gives the child's.
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
exec 4>&2 2>/dev/null    # the shell's own "Terminated" does not belong to the command's output
unset nonce order        # a variable of the environment stays exported, and the command must not know these
IFS=' ' read -r nonce order_bytes input_bytes || exit 0
order=$(head -c "$order_bytes")
# A connection that died in the middle of the order must not leave half of it to be run.
[ "${order% "$nonce"}" != "$order" ] || exit 0
eval "set -- ${order% "$nonce"}"
fence=$1 lease=$2 expires=$3 limit=$4 close=$5
shift 5

# Set before the lease is signed, so that a later request to end is not lost.
on_request INT HUP
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
            # By the descriptor: a file that was removed while we waited still says which lease removed it.
            held='' guard=''
            read -r held guard </proc/self/fd/8
            [ "${held:-0}" -le "$lease" ] || report fenced 0
            case $locked in
                0) break ;;
                1) ;;
                *) report unfenced 0 ;;
            esac
            # An older lease, or this one after a lost connection, still runs a command: end it first. Its guard ends
            # it in order. Where that is dead, the processes that have held the lock for a second are ended: one that
            # got it just now may be of a newer lease that has yet to sign.
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
    # In place and of one length, so that a full disk does not lose the lease that is there.
    printf '%-40s\n' "$lease $$" 1<>"$file" || report unfenced 0
fi

# Three processes: this one waits and reports; the runner has the command as its child; the feeder hands the command
# its stdin and then watches for the end of ours. The feeder's first line to the runner is its pid.
#
# TERM requests the end: a guard inside a container loses its stdin, so that it ends its own command first; any other
# command gets TERM, too. USR1 says that the time for that is over.
trap '[ -z "$next" ] || kill -USR1 "$next"' USR1
exec 3<&0
uptime
began=$up
{
    exec 4>&- 9>&-    # not as the braces' redirection, of which dash keeps a copy
    on_request
    read -r self _ </proc/self/stat
    echo "$self"
    if [ "$input_bytes" = all ]; then
        { signal_parent "$self" USR2; exec cat; } <&3 &
        next=$!
        pass_on
        await "$next"
        next=''
        exec >&-
        signal_parent $$ TERM
        timeout 7 tail -s 0.1 --pid=$$ -f /dev/null >/dev/null 3<&-    # which does not wait without a stdout
        signal_parent $$ USR1
    else
        [ "$input_bytes" = 0 ] || head -c "$input_bytes" <&3
        if IFS= read -r _ <&3; then
            exec >&-
            while IFS= read -r _ <&3; do :; done
            signal_parent $$ TERM
        else
            # A part of the input must not pass for the whole: the command's stdin stays open until the command ends.
            signal_parent $$ TERM
            exec tail --pid=$$ -f /dev/null 3<&-
        fi
    fi
} | {
    command=''
    on_request
    trap '[ -z "$command" ] || kill -TERM "$command"' USR1
    signal_parent $$ USR2
    # Waits for the end of all that the command started, for so many tenths of a second.
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
    { signal_parent "$self" USR2; exec timeout -k 5 "$limit" "$@"; } <&5 2>&4 3<&- 4>&- 5<&- &
    command=$!
    if [ "$input_bytes" = all ]; then next=$feeder; else next=$command; fi
    pass_on
    await "$command"
    # A command that ended by itself may leave a daemon. One that was ended leaves nothing: its processes have a moment.
    if [ -n "$ended" ] || [ "$code" = 124 ] || [ "$code" = 137 ]; then
        kill -s TERM -- "-$command"    # a `timeout` that is ended while it forks ends nothing else
        await_end 50
        kill -s KILL -- "-$command"
        await_end 10    # a killed process needs a moment to go
    fi
    kill -KILL "$feeder"
    exit "$code"
} &
next=$!
pass_on
await "$next"
[ "$close$code$ended" != close0 ] || rm -f "$file"
[ "$fence" = - ] || exec 9>&-    # the next command need not wait

uptime
if [ -n "$ended" ]; then report ended "$code"
elif { [ "$code" = 124 ] || [ "$code" = 137 ]; } && [ $((up - began)) -ge "$limit" ]; then report timed-out "$code"
else report exited "$code"
fi
