# Removes images from this host, one after the other, for as long as the disk of Docker's folder has less than $1 KiB free,
# and prints those that are gone, a line each. $2 is the docker command, the rest are the images. One that a container was
# made from stays: Docker does not remove it.
set -eu
needed=$1 docker=$2
shift 2
# shellcheck disable=SC2086 # it has words
folder=$($docker info --format '{{.DockerRootDir}}')
for image; do
    free=$(df -Pk "$folder" | awk 'NR == 2 { print $4 }')
    [ -n "$free" ] || exit
    [ "$free" -lt "$needed" ] || break
    $docker image rm "$image" >/dev/null 2>&1 || :
    $docker image inspect --format . "$image" >/dev/null 2>&1 || printf '%s\n' "$image"
done
# Where Docker itself has gone, no image is found: then nothing of this is true.
$docker version --format 'docker {{.Server.Version}}'
