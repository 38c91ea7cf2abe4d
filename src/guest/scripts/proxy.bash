# src/docker/scripts/prohibited.bash is put before this script; it defines `prohibited`.
# 1. Stores the environment of every later command from stdin, whole, if it has changed.
# 2. Stores the pod's name $1, by which nginx decides who may use the pod's tools.
# 3. Prints "confined" if the pod cannot reach any of the addresses $2, and there are some.
# 4. Waits until nginx responds. The requested host belongs to no pod, so no program of the user's can respond instead.
# 5. Lists the paths that begin with the other arguments.
# Every program that is started here takes processor time from nginx, which starts at the same time. So bash itself
# makes the request, and waits by reading from a socket that receives nothing.
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
