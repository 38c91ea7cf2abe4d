# shellcheck source=src/network/prohibited.bash
# Stores from stdin the environment of every later command, in one go where it changes; writes down the pod's own name $1,
# by which nginx judges who may speak to the pod's tools; says whether the pod is kept from all of the addresses $2, if there
# are any; waits until the nginx answers; and lists the paths that begin with the other arguments. The name that nginx is
# asked for belongs to no pod, so nothing the user runs can answer in its place. All that is started here takes its part of
# the pod's processor from nginx, which starts meanwhile: so bash asks by itself, and waits on a socket that never gets
# anything.
umask 077
shopt -s nullglob
names=/var/lib/pinacle/names name=$1 confined=$2
for address in $2; do prohibited "$address" || confined=; done
[ -z "$confined" ] || echo confined
shift 2
if [ -d "$names" ] && [ ! -e "$names/$name" ]; then
    for old in "$names"/*; do rm -f "$old" || exit; done
    : >"$names/$name" || exit
fi
file=/etc/pinacle/environment new=$(</dev/stdin)
[ -d /etc/pinacle ] || mkdir -p /etc/pinacle || exit
if [ ! -e "$file" ]; then
    printf '%s\n' "$new" >"$file" || exit
elif [ "$new" != "$(<"$file")" ]; then
    printf '%s\n' "$new" >"$file.new" && mv "$file.new" "$file" || exit
fi
exec 4<>/dev/udp/127.0.0.1/9
until
    { exec 3<>/dev/tcp/127.0.0.1/80; } 2>/dev/null &&
        printf 'GET / HTTP/1.0\r\nHost: proxy.invalid\r\n\r\n' >&3 &&
        read -r -t 5 -u 3 _ code _ && [ "$code" = 200 ]
do
    exec 3>&-
    read -r -t 0.02 -u 4
done
for prefix; do
    for path in "$prefix"*; do printf '%s\n' "$path"; done
done
