# Removes images from this host, one by one, while the disk of Docker's folder has less than $1 KiB free, and prints those
# that are gone, one per line. $2 is the docker command, the rest are the images. Docker refuses to remove an image that a
# container was made from.
set -eu
needed=$1 docker=$2
shift 2
# shellcheck disable=SC2086 # $docker may be several words
folder=$($docker info --format '{{.DockerRootDir}}')
for image; do
    free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
    [ -n "$free" ] || exit
    [ "$free" -lt "$needed" ] || break
    $docker image rm "$image" >/dev/null 2>&1 || :
    $docker image inspect --format . "$image" >/dev/null 2>&1 || printf '%s\n' "$image"
done
# Fails where Docker went away, because then every image above was printed as gone.
$docker version --format 'docker {{.Server.Version}}'
