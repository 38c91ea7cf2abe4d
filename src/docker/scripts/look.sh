# Lists what this host has of a pod: its containers ($2 says what of them), networks and volumes, by the filter $1. The
# words behind these begin a docker command here. A listing that fails is an error; an empty one means that nothing is there.
filter=$1 format=$2
shift 2
containers() {
    ids=$("$@" container ls --all --quiet --no-trunc --filter "$filter") || return
    # shellcheck disable=SC2086 # each id is a word
    [ -z "$ids" ] || "$@" container inspect --format "$format" $ids
}
containers "$@" &
looks=$!
"$@" network ls --no-trunc --filter "$filter" --format 'network {{.ID}}' &
looks="$looks $!"
"$@" volume ls --filter "$filter" --format 'volume {{.Name}}' &
failed=0
for look in $looks $!; do wait "$look" || failed=$?; done
exit "$failed"
