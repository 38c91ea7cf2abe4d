# shellcheck shell=bash
# prohibited ADDRESS: whether the floor of this host's network keeps a pod from it. The floor refuses at once, but Linux
# lets it send that refusal only about once in a second; without a floor nothing comes back, or that no program listens.
# The error message of bash goes through a file: a subshell would cost a process, and so 20 ms in a pod.
prohibited() {
    local refusal='' LC_ALL=C
    exec 5<>"/dev/udp/$1/9" || return
    for _ in 1 2 3; do
        printf . >&5
        read -r -t 1.2 -u 5 _ 2>/etc/pinacle/.refusal
        read -r refusal </etc/pinacle/.refusal && break
    done 2>/dev/null
    [[ $refusal = *'No route to host'* ]]
}
