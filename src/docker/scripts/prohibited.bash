# shellcheck shell=bash
# prohibited ADDRESS: whether the floor of this host's network keeps a pod from it. The floor says so at once, though not
# more often than Linux lets it, about once in a second; where there is none, nothing is said, or that nobody listens.
# What bash says of it goes by a file: to catch it otherwise takes a process, and one costs 20 ms in a pod.
prohibited() {
    local said='' LC_ALL=C
    exec 5<>"/dev/udp/$1/9" || return
    for _ in 1 2 3; do
        printf . >&5
        read -r -t 1.2 -u 5 _ 2>/etc/pinacle/.said
        read -r said </etc/pinacle/.said && break
    done 2>/dev/null
    [[ $said = *'No route to host'* ]]
}
