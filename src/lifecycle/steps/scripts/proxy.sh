# Stores from stdin the environment of every later command, whole or not at all; waits until the pod's own nginx answers;
# and lists the paths of the patterns $@. The name that it is asked for belongs to no pod, so nothing the user runs can answer in its place. bash can
# ask by itself, where a program to do it would take longer to start than nginx.
umask 077
file=/etc/pinacle/environment new=$(</dev/stdin)
[ -d /etc/pinacle ] || mkdir -p /etc/pinacle || exit
if [ ! -e "$file" ] || [ "$new" != "$(<"$file")" ]; then
    printf '%s\n' "$new" >"$file.new" && mv "$file.new" "$file" || exit
fi
until
    { exec 3<>/dev/tcp/127.0.0.1/80; } 2>/dev/null &&
        printf 'GET / HTTP/1.0\r\nHost: proxy.invalid\r\n\r\n' >&3 &&
        read -r -t 5 -u 3 _ code _ && [ "$code" = 200 ]
do
    exec 3>&-
    sleep 0.05
done
shopt -s nullglob
# Unquoted, as patterns.
for path in $*; do printf '%s\n' "$path"; done
