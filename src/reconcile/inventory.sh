# Lists what a pod host holds that carries our label, its fence files and its listening ports: a JSON object per line,
# and "end" last, without which the list is not whole. The arguments are the docker command, with sudo where need be.
set -eu
ours=--filter=label=pinacle.pod
owner='"pod":{{json (.Label "pinacle.pod")}},"installation":{{json (.Label "pinacle.installation")}}'
container='"key":{{json .Id}},"name":{{json (slice .Name 1)}},"state":{{json .State.Status}},"exit_code":{{.State.ExitCode}}'
container=$container',"started_at":{{json .State.StartedAt}},"bindings":{{json .HostConfig.PortBindings}}'
container=$container',"nano_cpus":{{.HostConfig.NanoCpus}},"memory":{{.HostConfig.Memory}}'
container=$container',"pod":{{json (index .Config.Labels "pinacle.pod")}}'
container=$container',"installation":{{json (index .Config.Labels "pinacle.installation")}}'

"$@" network ls --no-trunc "$ours" --format "{\"network\":{\"key\":{{json .ID}},\"name\":{{json .Name}},$owner}}"
"$@" volume ls "$ours" --format "{\"volume\":{\"key\":{{json .Name}},\"name\":{{json .Name}},$owner}}"
ids=$("$@" container ls --all --quiet --no-trunc "$ours")
# A thing that goes away in between is not an error. If Docker itself fails, so does the next command.
# shellcheck disable=SC2086
[ -z "$ids" ] || "$@" container inspect --format "{\"container\":{$container}}" $ids 2>/dev/null || :
"$@" version --format '{"docker":{{json .Server.Version}}}'

now=$(date +%s)
for file in /var/lib/pinacle-worker/fences/* "$HOME"/.pinacle-worker/fences/*; do
    name=${file##*/}
    case $name in *[!A-Za-z0-9_.-]*) continue ;; esac
    { read -r lease _ <"$file" && written=$(stat -c %Y "$file"); } 2>/dev/null || continue
    case $lease in '' | *[!0-9]*) lease=0 ;; esac
    echo "{\"fence\":{\"key\":\"$name\",\"lease\":$lease,\"idle_seconds\":$((now > written ? now - written : 0))}}"
done
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ local _ state _; do
    [ "$state" != 0A ] || echo "{\"port\":$((0x${local##*:}))}"
done
echo '"end"'
